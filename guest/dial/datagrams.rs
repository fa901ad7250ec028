//! Datagrams of one UDP client of the host, each with its length before it on the stream.
//!
//! Called by `dial` for a request for a UDP port.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use nix::errno::Errno;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::UdpSocket,
};

use super::{addresses, answer};

/// The longest datagram of UDP.
const LONGEST: usize = 65_535;

/// Passes datagrams on until the host ends the stream, or nobody serves the port when the first one arrives.
pub(super) async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, port: u16) -> io::Result<()> {
    answer(&mut stream, 0).await?;
    let mut datagram = Vec::with_capacity(1500);
    if !read(&mut stream, &mut datagram).await? {
        return Ok(());
    }
    let Some(socket) = send_first(port, &datagram).await? else { return Ok(()) };
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        ended = inwards(reader, &socket, datagram) => ended,
        ended = outwards(writer, &socket) => ended,
    }
}

/// Sends the first datagram to the first address that does not refuse it. `None` if all do.
async fn send_first(port: u16, datagram: &[u8]) -> io::Result<Option<UdpSocket>> {
    for address in addresses(port) {
        let any: IpAddr =
            if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let Ok(socket) = UdpSocket::bind((any, 0)).await else { continue };
        if socket.connect(address).await.is_err() || socket.send(datagram).await.is_err() {
            continue;
        }
        // The kernel delivers to its own addresses within send(2), so a refusal is here already.
        if socket.take_error()?.is_none() {
            return Ok(Some(socket));
        }
    }
    Ok(None)
}

async fn inwards(
    mut stream: impl AsyncRead + Unpin,
    socket: &UdpSocket,
    mut datagram: Vec<u8>,
) -> io::Result<()> {
    while read(&mut stream, &mut datagram).await? {
        let sent = socket.send(&datagram).await.map(drop);
        sent.or_else(survivable)?;
    }
    Ok(())
}

async fn outwards(mut stream: impl AsyncWrite + Unpin, socket: &UdpSocket) -> io::Result<()> {
    let mut frame = vec![0; 2 + LONGEST];
    loop {
        let length = match socket.recv(&mut frame[2..]).await {
            Ok(length) => length,
            Err(error) => {
                survivable(error)?;
                continue;
            }
        };
        frame[..2].copy_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        stream.write_all(&frame[..2 + length]).await?;
        stream.flush().await?;
    }
}

/// Reads one datagram. Returns false at the end of the stream.
async fn read(stream: &mut (impl AsyncRead + Unpin), datagram: &mut Vec<u8>) -> io::Result<bool> {
    let length = match stream.read_u16().await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        length => length?,
    };
    datagram.resize(length.into(), 0);
    stream.read_exact(datagram).await?;
    Ok(true)
}

/// A service that restarts loses datagrams, as it would on any network, and a datagram that is too long is lost alone.
fn survivable(error: io::Error) -> io::Result<()> {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ECONNREFUSED | Errno::EMSGSIZE | Errno::ENOBUFS) => Ok(()),
        _ => Err(error),
    }
}
