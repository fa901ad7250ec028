//! Hostile bytes of a client of the control socket. They are answered with one reply, or with those of a reader of refusals, and nothing else:
//! no panic, no endless work, no more memory than a request may have. Called by the fuzz target in `fuzz/` and by the test below; no part
//! of a release.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a panic is what this is for")]

use std::{path::Path, sync::Arc, time::Duration};

use boxlite_spec::network::control::{LINE, Reply, Request};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    runtime::Builder,
    time::timeout,
};

use super::{answer::Answerer, server::serve_client};
use crate::{
    backend::Reports,
    publish::{dialer::Dialer, publisher::Publisher},
};

/// How long an answer may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(4);

/// What a client sends before it ends its direction.
pub fn control(bytes: &[u8]) {
    let line = bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    let request = serde_json::from_slice::<Request>(line).ok();
    if let Some(Request::Publish { port }) = &request
        && (port.host != 0 || !port.bind.is_loopback())
    {
        // It would take an address of this machine, which somebody else may need.
        return;
    }
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let replies = runtime.block_on(async { timeout(PATIENCE, exchange(bytes)).await.expect("no answer") });
    let mut count = 0;
    for reply in replies.split_inclusive(|byte| *byte == b'\n') {
        count += 1;
        assert!(reply.len() <= LINE && reply.ends_with(b"\n"), "a reply of {} bytes", reply.len());
        let reply: Reply = serde_json::from_slice(reply).unwrap();
        assert!(request.is_some() || matches!(reply, Reply::Failed { .. }), "{reply:?} to no request");
    }
    assert!(count <= 1, "{count} replies");
}

async fn exchange(bytes: &[u8]) -> Vec<u8> {
    let reports = Reports::default();
    let publisher = Publisher::new(Dialer::new(Path::new("/nowhere")), reports.clone(), 1);
    let answerer = Arc::new(Answerer::new(None, publisher, reports));
    let (mut client, shim) = UnixStream::pair().unwrap();
    let served = tokio::spawn(async move { _ = serve_client(shim, &answerer).await });
    // The server may hang up before it has read all of it.
    let _ = client.write_all(bytes).await;
    let _ = client.shutdown().await;
    let mut replies = Vec::new();
    let _ = client.read_to_end(&mut replies).await;
    served.await.unwrap();
    replies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_client_sends_is_answered_once() {
        for sent in [
            &b"{\"type\":\"ports\"}\n"[..],
            b"{\"type\":\"metrics\"}",
            b"{\"type\":\"events\"}\n",
            b"{\"type\":\"authority\"}\nmore",
            b"{\"type\":\"publish\",\"port\":{\"guest\":80}}\n",
            b"{\"type\":\"unpublish\",\"guest\":80,\"protocol\":\"udp\"}\n",
            b"{\"type\":\"set_policy\",\"policy\":{\"allow\":[\"*.a.example:443\"],\"deny\":[\"10.0.0.0/8\"]}}\n",
            b"{\"type\":\"set_secrets\",\"secrets\":[]}\n",
            b"\n",
            b"",
            b"\xff\xfe\n",
            b"{\"type\":",
        ] {
            control(sent);
        }
        control(&vec![b'['; 2 * LINE]);
    }
}
