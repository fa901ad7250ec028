//! A proxy for encrypted connections, which sees nothing but where they are to go (RFC 9110, "CONNECT"). All of them go to one
//! server; without one they are refused, and what is left is the count of who tried.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

pub(crate) struct Tunnel {
    pub(crate) host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    pub(crate) async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let upstream = upstream.to_owned();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                log.lock().unwrap().push(String::new());
                let position = log.lock().unwrap().len() - 1;
                let (upstream, log) = (upstream.clone(), Arc::clone(&log));
                tokio::spawn(async move {
                    drop(serve(client, &upstream, |line| log.lock().unwrap()[position] = line).await);
                });
            }
        });
        Self { host, asked }
    }

    /// Leads nowhere.
    pub(crate) async fn closed() -> Self {
        Self::start("").await
    }

    /// What each connection asked for first; empty if it said nothing yet.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut client: TcpStream, upstream: &str, asked: impl FnOnce(String)) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    asked(String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned());
    if upstream.is_empty() || !head.starts_with(b"CONNECT ") {
        return client
            .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await;
    }
    let mut server = TcpStream::connect(upstream).await?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
