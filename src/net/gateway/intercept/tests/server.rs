//! A server with an authority of its own, which keeps what it was asked.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// The size of what is downloaded and uploaded.
pub(super) const LARGE: usize = 6 << 20;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// The certificate of its authority in PEM.
    pub(super) root: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts a server of TLS for `names`, or of plain HTTP without names.
    pub(super) async fn start(names: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (root, config) = certify(names);
        let acceptor = (!names.is_empty()).then(|| TlsAcceptor::from(Arc::new(config)));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, log) = (acceptor.clone(), Arc::clone(&log));
                tokio::spawn(async move {
                    if let Some(acceptor) = acceptor {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        serve(stream, http2, log).await;
                    } else {
                        let mut first = [0; 3];
                        let _ = stream.peek(&mut first).await;
                        serve(stream, &first == b"PRI", log).await;
                    }
                });
            }
        });
        Self { address, root, seen }
    }

    /// What it was asked: the lines `METHOD PATH` and those of the headers, for each request.
    pub(super) fn seen(&self) -> String {
        self.seen.lock().unwrap().join("\n")
    }
}

fn certify(names: &[&str]) -> (String, ServerConfig) {
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&root_key).unwrap();
    let issuer = Issuer::new(params, root_key);
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (root.pem(), config)
}

type Seen = Arc<Mutex<Vec<String>>>;

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, http2: bool, seen: Seen) {
    let service = service_fn(move |request| std::future::ready(Ok::<_, Infallible>(answer(request, &seen))));
    let stream = TokioIo::new(stream);
    let _ended = if http2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await
    } else {
        hyper::server::conn::http1::Builder::new().serve_connection(stream, service).with_upgrades().await
    };
}

fn answer(mut request: Request<Incoming>, seen: &Seen) -> Response<BoxBody<Bytes, hyper::Error>> {
    let lines = request.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    let head = format!("{} {}", request.method(), request.uri().path());
    seen.lock().unwrap().extend([head].into_iter().chain(lines));
    let full = |bytes: Vec<u8>| Full::from(bytes).map_err(|never| match never {}).boxed();
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/echo" => Response::new(request.into_body().boxed()),
        "/large" => Response::new(full(pattern())),
        "/gzip" => {
            let mut response = Response::new(full(gzip()));
            response.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
            response
        }
        "/trailers" => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let body = Full::from("body").with_trailers(async { Some(Ok(trailers)) });
            Response::new(body.map_err(|never: Infallible| match never {}).boxed())
        }
        "/upgrade" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgrade.await.unwrap()));
                let _ = copy(&mut reader, &mut writer).await;
                let _ = writer.shutdown().await;
            });
            let mut response = Response::new(full(Vec::new()));
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert("connection", HeaderValue::from_static("Upgrade"));
            response.headers_mut().insert("upgrade", HeaderValue::from_static("echo"));
            response
        }
        _ => Response::new(full(b"hello".to_vec())),
    }
}

/// Bytes that do not repeat at any power of two.
pub(super) fn pattern() -> Vec<u8> {
    (0..LARGE).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

/// A body that is encoded, with a placeholder in it.
pub(super) fn gzip() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, b"boxlite-KEY is no header").unwrap();
    encoder.finish().unwrap()
}

/// A server that greets like SSH and sends back what it gets.
pub(super) async fn start_echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 64];
            while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                let _ = stream.write_all(&bytes[..count]).await;
            }
        }
    });
    address
}
