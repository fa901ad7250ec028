//! Services on this machine's 127.0.0.1, as in a box, and clients of published ports.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// A service on 127.0.0.1 that answers each connection by what `answer` makes of all that it has read.
pub(super) async fn service<F: Future<Output = io::Result<()>> + Send + 'static>(
    answer: impl Fn(TcpStream) -> F + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    port
}

/// A service that returns what it reads, until the end of that.
pub(super) async fn echo() -> u16 {
    service(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.map(drop)
    })
    .await
}

pub(super) async fn exchange(address: SocketAddr, text: &[u8]) -> io::Result<Vec<u8>> {
    let mut client = TcpStream::connect(address).await?;
    client.write_all(text).await?;
    client.shutdown().await?;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Whether a client of `address` is reset.
pub(super) async fn is_reset(address: SocketAddr) -> bool {
    let tried = timeout(Duration::from_secs(5), async {
        let mut client = TcpStream::connect(address).await?;
        client.read_u8().await
    });
    tried.await.unwrap().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
}
