//! `Api`: asks the running program by HTTP on its own socket. `program` withdraws with it the port that every gvproxy opens, and the backend
//! reads the program's counters.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::UnixStream, time::timeout};

use crate::metrics::Counters;

/// How long the program may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer. Counters are some kilobytes.
const ANSWER: usize = 1 << 20;

/// The program's own requests.
#[derive(Debug)]
pub(super) struct Api {
    socket: PathBuf,
    counters: Arc<Counters>,
    /// What the running program has counted, as it was last read.
    counted: Mutex<Counted>,
}

/// Connections of one run of the program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counted {
    open: i64,
    opened: u64,
}

impl Api {
    /// The API behind the socket at this path.
    pub(super) fn new(socket: PathBuf, counters: Arc<Counters>) -> Self {
        Self { socket, counters, counted: Mutex::default() }
    }

    /// Adds what the program has counted since the last call. A program that does not answer has counted nothing more.
    pub(super) async fn count(&self) {
        let answer = ask(&self.socket, Method::GET, "/stats", Bytes::new()).await;
        if let Some(counted) = answer.ok().and_then(|answer| read(&answer)) {
            self.note(counted);
        }
    }

    /// The program has ended, and its connections with it.
    pub(super) fn ended(&self) {
        let opened = self.counted.lock().unwrap_or_else(PoisonError::into_inner).opened;
        self.note(Counted { open: 0, opened });
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Counted::default();
    }

    fn note(&self, now: Counted) {
        let mut before = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        self.counters.count_connections(now.open - before.open, now.opened.saturating_sub(before.opened));
        *before = now;
    }
}

/// Reads the connections out of the counters: those that the box has opened.
fn read(stats: &[u8]) -> Option<Counted> {
    let stats: Value = serde_json::from_slice(stats).ok()?;
    let tcp = stats.get("TCP")?;
    let open = tcp.get("CurrentEstablished")?.as_i64()?.clamp(0, i64::from(u32::MAX));
    Some(Counted { open, opened: tcp.get("PassiveConnectionOpenings")?.as_u64()? })
}

/// Withdraws the port of the host's loopback that gvproxy opens for SSH into virtual machines.
///
/// # Errors
/// If the program refuses or does not answer.
pub(super) async fn withdraw_ssh(socket: &Path, port: u16) -> io::Result<()> {
    let body = json!({ "local": format!("127.0.0.1:{port}"), "protocol": "tcp" }).to_string();
    ask(socket, Method::POST, "/services/forwarder/unexpose", body.into()).await.map(drop)
}

async fn ask(socket: &Path, method: Method, path: &str, body: Bytes) -> io::Result<Bytes> {
    let asked = async {
        let stream = UnixStream::connect(socket).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "gvproxy")
            .header(header::CONNECTION, "close")
            .body(Full::new(body))
            .map_err(io::Error::other)?;
        let answered = async {
            let response = sender.send_request(request).await.map_err(io::Error::other)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER).collect().await;
            let bytes = body.map_err(io::Error::other)?.to_bytes();
            if status.is_success() {
                return Ok(bytes);
            }
            Err(io::Error::other(format!("{path} is answered with {status}")))
        };
        tokio::pin!(connection);
        tokio::pin!(answered);
        tokio::select! {
            answer = &mut answered => answer,
            ended = &mut connection => match ended {
                // What has come is read to its end.
                Ok(()) => answered.await,
                Err(error) => Err(io::Error::other(error)),
            },
        }
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_added_and_taken_away() {
        let counters = Arc::new(Counters::default());
        let api = Api::new("/nowhere".into(), Arc::clone(&counters));
        let stats = |open: u32, opened: u32| {
            let text = format!(
                r#"{{"TCP":{{"CurrentEstablished":{open},"PassiveConnectionOpenings":{opened},"X":1}},"Y":{{}}}}"#
            );
            read(text.as_bytes()).unwrap()
        };
        let now = || (counters.read().connections, counters.read().connections_total);
        api.note(stats(3, 5));
        assert_eq!(now(), (3, 5));
        api.note(stats(1, 6));
        assert_eq!(now(), (1, 6));
        api.ended();
        assert_eq!(now(), (0, 6));
        // The next run counts from the beginning.
        api.note(stats(2, 2));
        assert_eq!(now(), (2, 8));
        assert_eq!(read(b"{}"), None);
        assert_eq!(read(b"<html>"), None);
    }

    #[tokio::test]
    async fn a_program_that_is_gone_has_counted_nothing() {
        let counters = Arc::new(Counters::default());
        Api::new("/nowhere".into(), Arc::clone(&counters)).count().await;
        assert_eq!(counters.read().connections_total, 0);
    }
}
