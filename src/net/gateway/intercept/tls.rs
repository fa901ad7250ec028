//! TLS on both sides of an intercepted connection: to the box by the authority of its own, to the server verified as the host would. Both
//! sides speak the same protocol (ALPN), so that nothing needs to be translated. Used by `serve`.

use std::{fmt, io, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    server::{Acceptor, NoServerSessionStorage},
    sign::SingleCertAndKey,
};
use rustls_platform_verifier::Verifier;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{LazyConfigAcceptor, StartHandshake, TlsConnector, client, server};

use super::authority::Authority;
use crate::backend::NetworkError;

/// How long one side may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// The protocols that are intercepted, the better one first.
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];
const HTTP2: &[u8] = b"h2";

/// Keys, certificates and what is trusted.
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    pub(super) authority: Authority,
    client: ClientConfig,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// The box's side after its first message.
pub(super) struct Greeted<S> {
    start: StartHandshake<S>,
    offered: Vec<Vec<u8>>,
}

impl Tls {
    /// Makes the authority, and reads the host's own roots while files can still be opened. `extra` are further roots in PEM.
    pub(super) fn new(extra: &str) -> Result<Self, NetworkError> {
        let provider = Arc::new(ring::default_provider());
        let failed = |what: &str, error: &dyn fmt::Display| {
            NetworkError::new(format!("prepare secrets: {what}: {error}"))
        };
        let authority =
            Authority::new(&provider).map_err(|error| failed("make the box's authority", &error))?;
        let extra: Vec<_> = CertificateDer::pem_slice_iter(extra.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| failed("read the certificates of further authorities", &error))?;
        let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider))
            .map_err(|error| failed("read the host's certificates", &error))?;
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed("choose versions of TLS", &error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self { provider, authority, client })
    }

    /// Reads the box's first message.
    pub(super) async fn greet<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<Greeted<S>> {
        let start = within(LazyConfigAcceptor::new(Acceptor::default(), stream)).await?;
        let offered = start.client_hello().alpn().into_iter().flatten();
        let offered = offered.map(<[u8]>::to_vec).collect();
        Ok(Greeted { start, offered })
    }

    /// Makes TLS to the server, with those protocols that the box offers.
    pub(super) async fn connect<S>(
        &self,
        greeted: &Greeted<S>,
        name: &str,
        upstream: TcpStream,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let mut config = self.client.clone();
        let ours = PROTOCOLS.into_iter().filter(|ours| greeted.offered.iter().any(|theirs| theirs == ours));
        config.alpn_protocols = ours.map(<[u8]>::to_vec).collect();
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        within(TlsConnector::from(Arc::new(config)).connect(name, upstream)).await
    }

    /// Makes TLS to the box, with the protocol that the server chose; with the box's own choice where there is no server.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        greeted: Greeted<S>,
        name: &str,
        server: Option<&client::TlsStream<TcpStream>>,
    ) -> io::Result<server::TlsStream<S>> {
        let leaf = self.authority.leaf(&self.provider, name).map_err(io::Error::other)?;
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(leaf)));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = match server {
            _ if greeted.offered.is_empty() => Vec::new(),
            Some(server) => vec![server.get_ref().1.alpn_protocol().unwrap_or(PROTOCOLS[1]).to_vec()],
            None => PROTOCOLS.map(<[u8]>::to_vec).to_vec(),
        };
        within(greeted.start.into_stream(Arc::new(config))).await
    }
}

/// Whether a connection to the box speaks HTTP/2.
pub(super) fn is_http2<S>(stream: &server::TlsStream<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP2)
}

async fn within<T>(handshake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(HANDSHAKE, handshake)
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the handshake takes too long"))?
}
