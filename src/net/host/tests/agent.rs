//! What the agent in a box does with streams that dial a port: it connects to this machine's 127.0.0.1. Used by `fixture`.

use std::{io, net::Ipv4Addr};

use boxlite_wire::{
    dial::{REQUEST, Request as DialRequest},
    port::DIAL,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpStream, UdpSocket, UnixStream},
};

/// What the agent does with a stream.
pub(super) async fn serve_dial(mut stream: UnixStream) -> io::Result<()> {
    let mut line = [0; DIAL.len()];
    stream.read_exact(&mut line).await?;
    assert_eq!(line, DIAL);
    let mut request = [0; REQUEST];
    stream.read_exact(&mut request).await?;
    let request = DialRequest::decode(request).unwrap();
    let address = (Ipv4Addr::LOCALHOST, request.port);
    if request.udp {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        socket.connect(address).await?;
        stream.write_u16(0).await?;
        return serve_datagrams(stream, socket).await;
    }
    match TcpStream::connect(address).await {
        Ok(mut connection) => {
            stream.write_u16(0).await?;
            copy_bidirectional(&mut stream, &mut connection).await.map(drop)
        }
        Err(error) => stream.write_u16(error.raw_os_error().unwrap().try_into().unwrap()).await,
    }
}

async fn serve_datagrams(stream: UnixStream, socket: UdpSocket) -> io::Result<()> {
    let (mut read, mut write) = stream.into_split();
    let up = async {
        loop {
            let mut datagram = vec![0; read.read_u16().await?.into()];
            read.read_exact(&mut datagram).await?;
            socket.send(&datagram).await?;
        }
    };
    let down = async {
        let mut datagram = vec![0; 65_536];
        loop {
            let length = socket.recv(&mut datagram).await?;
            write.write_u16(length.try_into().unwrap()).await?;
            write.write_all(&datagram[..length]).await?;
        }
    };
    tokio::select! { ended = up => ended, ended = down => ended }
}
