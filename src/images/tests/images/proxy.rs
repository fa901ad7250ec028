//! A proxy between client and registry that counts requests and does with each what a test wants.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What to do with a request.
pub(crate) enum Act {
    /// Pass it on, and the answer back.
    Pass,
    /// Pass on this many bytes of the answer, then cut the line.
    Cut(usize),
    /// Pass on this many bytes of the answer, then never another.
    Stall(usize),
    /// Pass on the answer with this byte of it, head included, changed.
    Flip(usize),
    /// Pass on the answer, so many bytes every 50 milliseconds.
    Drip(usize),
    /// Answer with this head and body.
    Answer(String),
    /// Answer with this, then with a byte every few milliseconds for ever.
    Trickle(String),
    /// Answer with this head, then with zeros for ever.
    Endless(String),
}

/// A request as the proxy saw it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) head: String,
    /// How many with the same path came before.
    pub(crate) before: usize,
}

pub(crate) struct Proxy {
    pub(crate) host: String,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Proxy {
    pub(crate) async fn start(upstream: &str, act: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let log = Arc::new(Mutex::new(Vec::new()));
        let upstream = upstream.to_owned();
        let act = Arc::new(act);
        tokio::spawn({
            let log = Arc::clone(&log);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let (upstream, log, act) = (upstream.clone(), Arc::clone(&log), Arc::clone(&act));
                    tokio::spawn(async move { drop(serve(client, &upstream, &log, &*act).await) });
                }
            }
        });
        Self { host, log }
    }

    /// How many requests there were whose path contains `part`.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.requests(part).len()
    }

    pub(crate) fn requests(&self, part: &str) -> Vec<Request> {
        self.log.lock().unwrap().iter().filter(|request| request.path.contains(part)).cloned().collect()
    }
}

/// One request a connection: `Connection: close` both ways.
async fn serve(
    mut client: TcpStream,
    upstream: &str,
    log: &Mutex<Vec<Request>>,
    act: &(dyn Fn(&Request) -> Act + Send + Sync),
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let request = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|other| other.path == path).count();
        log.push(Request { path, head: head.clone(), before });
        log.last().unwrap().clone()
    };
    let (mut flip, mut drip) = (None, None);
    let (limit, stall) = match act(&request) {
        Act::Pass => (usize::MAX, false),
        Act::Cut(limit) => (limit, false),
        Act::Stall(limit) => (limit, true),
        Act::Flip(at) => {
            flip = Some(at);
            (usize::MAX, false)
        }
        Act::Drip(bytes) => {
            drip = Some(bytes);
            (usize::MAX, false)
        }
        Act::Answer(text) => return client.write_all(text.as_bytes()).await,
        Act::Trickle(text) => {
            client.write_all(text.as_bytes()).await?;
            loop {
                client.write_all(b" ").await?;
                client.flush().await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Act::Endless(text) => {
            client.write_all(text.as_bytes()).await?;
            loop {
                client.write_all(&[0; 8192]).await?;
            }
        }
    };
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).await?;
    let mut left = limit;
    let mut buffer = vec![0; 16 * 1024];
    while left > 0 {
        let want = left.min(drip.unwrap_or(buffer.len()));
        let read = server.read(&mut buffer[..want]).await?;
        if read == 0 {
            return Ok(());
        }
        if drip.is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let passed = limit - left;
        if let Some(byte) = flip.and_then(|at| buffer[..read].get_mut(at.wrapping_sub(passed))) {
            *byte ^= 1;
        }
        client.write_all(&buffer[..read]).await?;
        left -= read;
    }
    if stall {
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// An answer of a status with some headers and no body.
pub(crate) fn answer(status: &str, headers: &str) -> Act {
    Act::Answer(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n"))
}
