//! `Api`: asks the running program by HTTP on its own socket. `program` withdraws with it the port that every gvproxy opens, and the backend
//! reads how many connections are open.

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
    /// How many connections were open when that was last read.
    open: Mutex<i64>,
}

impl Api {
    /// The API behind the socket at this path.
    pub(super) fn new(socket: PathBuf, counters: Arc<Counters>) -> Self {
        Self { socket, counters, open: Mutex::default() }
    }

    /// Brings the count of open connections up to date. That of a program that does not answer stays as it was.
    pub(super) async fn count(&self) {
        let answer = ask(&self.socket, Method::GET, "/stats", Bytes::new()).await;
        if let Some(open) = answer.ok().and_then(|answer| read(&answer)) {
            self.note(open);
        }
    }

    /// The program has ended, and its connections with it.
    pub(super) fn ended(&self) {
        self.note(0);
    }

    fn note(&self, now: i64) {
        let mut before = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.counters.count_open(now - *before);
        *before = now;
    }
}

/// Reads the number of open connections, which are of TCP, out of the program's counters.
fn read(stats: &[u8]) -> Option<i64> {
    let stats: Value = serde_json::from_slice(stats).ok()?;
    Some(stats.get("TCP")?.get("CurrentEstablished")?.as_i64()?.clamp(0, i64::from(u32::MAX)))
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
        let stats = |open: u32| {
            let text = format!(r#"{{"TCP":{{"CurrentEstablished":{open},"X":1}},"Y":{{}}}}"#);
            read(text.as_bytes()).unwrap()
        };
        let now = || counters.read().connections;
        api.note(stats(3));
        assert_eq!(now(), 3);
        api.note(stats(1));
        assert_eq!(now(), 1);
        // Those of published ports are counted by others.
        counters.count_opened();
        api.ended();
        assert_eq!(now(), 1);
        // The next run counts from the beginning.
        api.note(stats(2));
        assert_eq!(now(), 3);
        assert_eq!(read(b"{}"), None);
        assert_eq!(read(b"<html>"), None);
    }

    #[tokio::test]
    async fn a_program_that_is_gone_changes_nothing() {
        let counters = Arc::new(Counters::default());
        let api = Api::new("/nowhere".into(), Arc::clone(&counters));
        api.note(2);
        api.count().await;
        assert_eq!(counters.read().connections, 2);
    }
}
