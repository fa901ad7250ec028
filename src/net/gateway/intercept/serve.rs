//! Serves one intercepted connection: finds out what it speaks, makes TLS on both sides if it is TLS, and hands it to `proxy`. Called by
//! `Intercept::intercept`.

use std::{
    io::{self, Cursor},
    sync::Arc,
};

use tokio::{
    io::{AsyncReadExt, DuplexStream},
    net::TcpStream,
};

use super::{
    first_bytes::HTTP2_PREFACE,
    gate::Gate,
    proxy::{self, Stream},
    shared::Shared,
    tls::{self, Tls},
};
use crate::{
    decision::{Destination, Refused},
    gateway::inspector::Intercepted,
};

/// The first byte of TLS: a record of a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// Serves a connection until both sides are done.
pub(super) async fn serve(shared: Arc<Shared>, connection: Intercepted) {
    let Intercepted { to, name, mut from_box, upstream } = connection;
    // Requests are small, and each waits for its answer.
    let _ = upstream.set_nodelay(true);
    let Ok(first) = read_first(&mut from_box).await else { return };
    let is_tls = first.first() == Some(&TLS_HANDSHAKE);
    let http2 = first == HTTP2_PREFACE;
    let (reader, writer) = tokio::io::split(from_box);
    let from_box = tokio::io::join(Cursor::new(first).chain(reader), writer);
    let gate = Gate { shared: Arc::clone(&shared), to, tls: is_tls.then(|| name.clone()) };
    // Whoever ends a connection badly is told by its end; there is nobody else to tell.
    let _ended = match shared.tls.get() {
        Some(tls) if is_tls => Box::pin(serve_tls(tls, gate, to, &name, from_box, upstream)).await,
        _ if is_tls => Ok(()),
        _ => serve_http(from_box, upstream, http2, gate).await.map_err(io::Error::other),
    };
}

/// Reads as many bytes as it takes to tell TLS, HTTP/1 and HTTP/2 apart.
async fn read_first(from_box: &mut DuplexStream) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(HTTP2_PREFACE.len());
    while first.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&first) {
        let mut rest = (&mut *from_box).take((HTTP2_PREFACE.len() - first.len()) as u64);
        if rest.read_buf(&mut first).await? == 0 {
            break;
        }
    }
    Ok(first)
}

async fn serve_tls(
    tls: &Tls,
    gate: Gate,
    to: Destination,
    name: &str,
    from_box: impl Stream,
    upstream: TcpStream,
) -> io::Result<()> {
    let greeted = tls.greet(from_box).await?;
    let server = tls.connect(&greeted, name, upstream).await;
    let from_box = tls.accept(greeted, name, server.as_ref().ok()).await.inspect_err(|error| {
        if error.kind() == io::ErrorKind::InvalidData {
            let rule = format!("the handshake that puts secrets in failed in the box, which may not trust its authority: {error}");
            gate.shared.report(to, &Refused { rule, name: Some(name.to_owned()) });
        }
    })?;
    let http2 = tls::is_http2(&from_box);
    match server {
        Ok(server) => serve_http(from_box, server, http2, gate).await,
        Err(error) => {
            let (address, port) = (to.address, to.port);
            let why = format!("no TLS connection could be made that the host trusts: {error}");
            let reason = format!("No secret was sent to {name} ({address}, port {port}), since {why}\n");
            let rule = format!("secrets: {why}");
            gate.shared.report(to, &Refused { rule, name: Some(name.to_owned()) });
            proxy::explain(from_box, http2, reason).await
        }
    }
    .map_err(io::Error::other)
}

async fn serve_http(
    from_box: impl Stream,
    server: impl Stream,
    http2: bool,
    gate: Gate,
) -> hyper::Result<()> {
    let gate = Arc::new(gate);
    if http2 {
        proxy::http2(from_box, server, gate).await
    } else {
        proxy::http1(from_box, server, gate).await
    }
}
