//! Hostile bytes of an agent: what a box answers to who dials a published port, and what it sends then. A client may get it or be refused, and
//! nothing else happens: no panic, no endless work, nothing that the box did not send. Called by the fuzz target in `fuzz/` and by the test
//! below; no part of a release.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a panic is what this is for")]

use std::{
    env, fs,
    path::Path,
    process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use boxlite_spec::network::{port::PublishSpec, rule::Protocol};
use boxlite_wire::{dial::REQUEST, port::DIAL};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket, UnixListener},
    runtime::Builder,
    time::{sleep, timeout},
};

use super::{dialer::Dialer, publisher::Publisher};
use crate::backend::Reports;

/// How long a client waits for what can't fail to come, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(4);
/// The largest datagram that IPv4 carries.
const DATAGRAM_MAX: usize = 65_507;
/// So many datagrams fit into the buffer of any client.
const SURE: usize = 32;

/// Bits of the first byte of a sample. The port is UDP.
const UDP: u8 = 1;
/// The agent closes both directions once it has said everything.
const HANGS_UP: u8 = 2;

/// A byte of bits, and then what the agent says.
pub fn dial(bytes: &[u8]) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Some((&bits, said)) = bytes.split_first() else { return };
    let name = format!("boxlite-dial-{}-{}", process::id(), COUNT.fetch_add(1, Relaxed));
    let path = env::temp_dir().join(name);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(serve(&path, bits, said));
    fs::remove_file(path).unwrap();
}

async fn serve(path: &Path, bits: u8, said: &[u8]) {
    let listener = UnixListener::bind(path).unwrap();
    let reports = Reports::default();
    let publisher = Publisher::new(Dialer::new(path), reports.clone(), 4);
    let protocol = if bits & UDP == 0 { Protocol::Tcp } else { Protocol::Udp };
    let port = publisher.publish(PublishSpec { protocol, ..PublishSpec::new(80) }).unwrap();
    let (to_say, hangs_up) = (said.to_vec(), bits & HANGS_UP != 0);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; DIAL.len() + REQUEST]).await.unwrap();
        // Whoever dials may hang up at once.
        let _ = stream.write_all(&to_say).await;
        let _ = stream.shutdown().await;
        if !hangs_up {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    let connected = said.first_chunk() == Some(&[0; 2]);
    let carried = said.get(2..).filter(|_| connected).unwrap_or_default();
    let client = async {
        if bits & UDP == 0 {
            tcp(port.host, carried, connected, hangs_up).await;
        } else {
            udp(port.host, carried, &reports, hangs_up).await;
        }
        while reports.counters.connections() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, client).await.expect("a client was left waiting");
}

async fn tcp(port: u16, carried: &[u8], connected: bool, hangs_up: bool) {
    let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut received = Vec::new();
    let end = client.read_to_end(&mut received).await;
    assert!(carried.starts_with(&received), "what the box did not send");
    if connected && !hangs_up {
        assert!(end.is_ok() && received == carried, "{end:?} after {} bytes", received.len());
    } else if !connected {
        assert!(end.is_err(), "a connection that the box has not made");
    }
}

async fn udp(port: u16, carried: &[u8], reports: &Reports, hangs_up: bool) {
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(("127.0.0.1", port)).await.unwrap();
    client.send(b"x").await.unwrap();
    while reports.counters.read().connections_total == 0 || reports.counters.connections() > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let expected: Vec<&[u8]> = datagrams(carried).collect();
    let mut received = Vec::new();
    let mut datagram = vec![0; DATAGRAM_MAX];
    while let Ok(length) = client.try_recv(&mut datagram) {
        received.push(datagram[..length].to_vec());
    }
    let sure = expected.len().min(SURE);
    // Of an agent that hangs up, the last ones may be lost with the stream, as anywhere in UDP.
    if !hangs_up && expected.iter().map(|datagram| datagram.len()).sum::<usize>() < 16 << 10 {
        assert!(received.len() >= sure, "{} of {} datagrams", received.len(), expected.len());
        assert!(received[..sure] == expected[..sure], "other datagrams than the box sent");
    }
    assert!(received.len() <= expected.len(), "more datagrams than the box sent");
}

/// The datagrams that are whole, and that can be sent.
fn datagrams(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_be_bytes(*bytes.split_off(..2)?.first_chunk()?));
        bytes.split_off(..length)
    })
    .filter(|datagram| datagram.len() <= DATAGRAM_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_what_the_box_sends_and_nothing_else() {
        for said in [
            &b"\0\0hello"[..],
            b"\0\0",
            b"",
            b"\0",
            b"\0\x6fignored",
            b"\xff\xff",
            b"\0\0\0\0\0\x05hello\0\x09short",
            b"\0\0\xff\xff",
        ] {
            for bits in 0..4 {
                dial(&[&[bits], said].concat());
            }
        }
    }
}
