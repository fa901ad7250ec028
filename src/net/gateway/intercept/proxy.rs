//! Passes the requests of one connection on to its server, in the version of HTTP that both speak, with bodies and trailers streamed as
//! they come. Called by `serve`; asks the `gate` about each request.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{
    Request, Response, StatusCode,
    header::{CONNECTION, HeaderValue, UPGRADE},
};
use http_body_util::Either;
use hyper::{
    body::Incoming, client::conn as to_server, server::conn as to_box, service::service_fn, upgrade,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    sync::Mutex,
    time::timeout,
};

use super::{
    answer::{self, Body},
    gate::Gate,
};

/// Most bytes of the headers of a request over HTTP/2; over HTTP/1, hyper has a similar bound.
const HEADERS: u32 = 256 * 1024;
/// How long a side may take to hear that the other has ended.
const FAREWELL: Duration = Duration::from_secs(5);

/// A connection of either side.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// Passes requests over HTTP/1, until either side ends.
pub(super) async fn http1(from_box: impl Stream, server: impl Stream, gate: Arc<Gate>) -> hyper::Result<()> {
    let mut client = to_server::http1::Builder::new();
    client.preserve_header_case(true);
    let (sender, connection) = client.handshake(TokioIo::new(server)).await?;
    let sender = Arc::new(Mutex::new(sender));
    let unanswered = AtomicUsize::new(0);
    let service = service_fn(|request| {
        let (gate, sender, unanswered) = (Arc::clone(&gate), Arc::clone(&sender), &unanswered);
        async move {
            unanswered.fetch_add(1, Relaxed);
            let answer = forward1(&gate, &sender, request).await;
            unanswered.fetch_sub(1, Relaxed);
            answer
        }
    });
    let mut connection = pin!(connection.with_upgrades());
    {
        let serving = to_box::http1::Builder::new()
            .preserve_header_case(true)
            .auto_date_header(false)
            .half_close(true)
            .serve_connection(TokioIo::new(from_box), service)
            .with_upgrades();
        let mut serving = pin!(serving);
        tokio::select! {
            done = &mut serving => done?,
            ended = &mut connection => {
                // A box that waits for no answer hears at once that the server is gone, as it would without a proxy.
                if unanswered.load(Relaxed) == 0 {
                    serving.as_mut().graceful_shutdown();
                }
                serving.await?;
                return ended;
            }
        }
    }
    // Without a sender the connection to the server ends by itself.
    drop(sender);
    let _ = timeout(FAREWELL, connection).await;
    Ok(())
}

async fn forward1(
    gate: &Gate,
    sender: &Mutex<to_server::http1::SendRequest<Incoming>>,
    mut request: Request<Incoming>,
) -> hyper::Result<Response<Body>> {
    if let Err(refused) = gate.pass(&mut request) {
        return Ok(*refused);
    }
    let from_box = request.headers().contains_key(UPGRADE).then(|| upgrade::on(&mut request));
    let mut sender = sender.lock().await;
    sender.ready().await?;
    let mut response = sender.send_request(request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let Some(from_box) = from_box else {
            let text = "The server switched to another protocol unasked.\n";
            return Ok(answer::plain(StatusCode::BAD_GATEWAY, text.into()));
        };
        tokio::spawn(tunnel(from_box, upgrade::on(&mut response)));
    } else if sender.is_closed() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(Either::Left))
}

/// Carries bytes both ways after an upgrade, for example to WebSocket.
async fn tunnel(from_box: upgrade::OnUpgrade, server: upgrade::OnUpgrade) {
    if let (Ok(from_box), Ok(server)) = tokio::join!(from_box, server) {
        let _ = copy_bidirectional(&mut TokioIo::new(from_box), &mut TokioIo::new(server)).await;
    }
}

/// Passes requests over HTTP/2, until either side ends.
pub(super) async fn http2(from_box: impl Stream, server: impl Stream, gate: Arc<Gate>) -> hyper::Result<()> {
    let client = to_server::http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(server));
    let (sender, connection) = client.await?;
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (gate, mut sender) = (Arc::clone(&gate), sender.clone());
        async move {
            if let Err(refused) = gate.pass(&mut request) {
                return Ok(*refused);
            }
            sender.ready().await?;
            sender.send_request(request).await.map(|response| response.map(Either::Left))
        }
    });
    let mut connection = pin!(connection);
    {
        let mut serving = pin!(
            to_box::http2::Builder::new(TokioExecutor::new())
                .auto_date_header(false)
                .max_header_list_size(HEADERS)
                .serve_connection(TokioIo::new(from_box), service)
        );
        tokio::select! {
            done = &mut serving => done?,
            ended = &mut connection => {
                serving.as_mut().graceful_shutdown();
                serving.await?;
                return ended;
            }
        }
    }
    // Without a sender the connection to the server ends by itself.
    let _ = timeout(FAREWELL, connection).await;
    Ok(())
}

/// Answers every request with one reason.
pub(super) async fn explain(from_box: impl Stream, http2: bool, reason: String) -> hyper::Result<()> {
    let service = service_fn(move |_: Request<Incoming>| {
        std::future::ready(hyper::Result::Ok(answer::plain(StatusCode::BAD_GATEWAY, reason.clone())))
    });
    if http2 {
        to_box::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(from_box), service)
            .await
    } else {
        to_box::http1::Builder::new().serve_connection(TokioIo::new(from_box), service).await
    }
}
