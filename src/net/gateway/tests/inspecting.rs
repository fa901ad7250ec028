//! What is decided by the first bytes of a connection.

use std::{
    future::Future,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use boxlite_spec::network::secret::SecretSpec;
use smoltcp::{iface::SocketHandle, socket::tcp::State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::rig::{Choice, Rig, rig_with, server};
use crate::{
    backend::NetworkError,
    decision::{Allowed, Destination, Refused},
    gateway::{
        inspector::{FIRST_BYTES_MAX, Inspector, Intercepted, Verdict},
        parts::Patience,
    },
};

/// Reads a line: `pass`, `refuse`, `answer` or `intercept`. An intercepted connection gets its bytes in capital letters.
#[derive(Debug)]
struct Lines;

impl Inspector for Lines {
    fn wants(&self, _: Destination, allowed: &Allowed) -> bool {
        assert_eq!(allowed.name.as_deref(), Some("outside.test"));
        true
    }

    fn inspect(&self, _: Destination, _: &Allowed, first: &[u8]) -> Verdict {
        let Some(end) = first.iter().position(|byte| *byte == b'\n') else { return Verdict::More };
        let refused = || Refused { rule: "deny me".into(), name: Some("me.test".into()) };
        match first[..end].trim_ascii_end() {
            b"pass" => Verdict::Pass { name: Some("me.test".into()) },
            b"refuse" => Verdict::Refuse { refused: refused(), answer: Vec::new() },
            b"answer" => Verdict::Refuse { refused: refused(), answer: b"403 because".to_vec() },
            _ => Verdict::Intercept { name: "me.test".into() },
        }
    }

    fn intercept(&self, connection: Intercepted) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let Intercepted { mut from_box, mut upstream, .. } = connection;
            let mut bytes = Vec::new();
            from_box.read_to_end(&mut bytes).await.unwrap();
            bytes.make_ascii_uppercase();
            upstream.write_all(&bytes).await.unwrap();
            upstream.shutdown().await.unwrap();
            bytes.clear();
            upstream.read_to_end(&mut bytes).await.unwrap();
            from_box.write_all(&bytes).await.unwrap();
        })
    }

    fn set_secrets(&self, _: &[SecretSpec]) -> Result<(), NetworkError> {
        Ok(())
    }
}

fn opened() -> (Rig, SocketHandle, TcpStream) {
    opened_with(Patience::default())
}

fn opened_with(patience: Patience) -> (Rig, SocketHandle, TcpStream) {
    let (listener, to) = server();
    let mut rig = rig_with(Choice { inspector: Some(Arc::new(Lines)), patience, ..Choice::default() });
    let handle = rig.guest.connected(to);
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    (rig, handle, peer)
}

#[test]
fn nothing_leaves_before_the_verdict_and_all_of_it_after() {
    let (mut rig, handle, mut peer) = opened();
    rig.guest.send(handle, b"pa");
    rig.guest.pause(Duration::from_millis(50));
    peer.set_nonblocking(true).unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    peer.set_nonblocking(false).unwrap();
    // One who speaks first is heard.
    peer.write_all(b"banner").unwrap();
    assert_eq!(rig.guest.receive_bytes(handle, 6), b"banner");
    rig.guest.send(handle, b"ss\nmore");
    rig.guest.pause(Duration::from_millis(20));
    let mut read = [0; 9];
    peer.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"pass\nmore");
}

#[test]
fn network_pitfalls_addresses_shared_by_a_cdn_a_name_that_is_refused_is_reset_on_both_sides() {
    let (mut rig, handle, mut peer) = opened();
    let mut refusals = rig.reports.refusals.subscribe();
    rig.guest.send(handle, b"refuse\n");
    rig.guest.until("reset", |guest| guest.tcp(handle).state() == State::Closed);
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let refusal = refusals.try_recv().unwrap();
    assert_eq!((refusal.rule.as_str(), refusal.name.as_deref()), ("deny me", Some("me.test")));
    rig.guest.until("no connection", |_| rig.reports.counters.connections() == 0);
}

#[test]
fn network_pitfalls_hidden_refusals_the_reason_is_answered_where_it_can_be_read() {
    let (mut rig, handle, mut peer) = opened();
    rig.guest.send(handle, b"answer\nand a body that nobody wants");
    assert_eq!(rig.guest.receive_bytes(handle, usize::MAX), b"403 because");
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    rig.guest.tcp(handle).close();
    rig.guest.until("no connection", |_| rig.reports.counters.connections() == 0);
    assert_eq!(rig.guest.resets, 0);
    assert_eq!(rig.reports.counters.read().refusals, 1);
}

#[test]
fn an_interceptor_gets_all_bytes_from_the_first() {
    let (mut rig, handle, mut peer) = opened();
    rig.guest.send(handle, b"intercept\nme");
    rig.guest.tcp(handle).close();
    rig.guest.pause(Duration::from_millis(50));
    let mut read = Vec::new();
    peer.read_to_end(&mut read).unwrap();
    assert_eq!(read, b"INTERCEPT\nME");
    peer.write_all(b"done").unwrap();
    drop(peer);
    assert_eq!(rig.guest.receive_bytes(handle, usize::MAX), b"done");
    rig.guest.until("no connection", |_| rig.reports.counters.connections() == 0);
    assert_eq!(rig.guest.resets, 0);
}

#[test]
fn one_that_has_ended_is_judged_by_what_it_said() {
    let (mut rig, handle, mut peer) = opened();
    rig.guest.send(handle, b"pass");
    rig.guest.tcp(handle).close();
    rig.guest.pause(Duration::from_millis(50));
    let mut read = Vec::new();
    peer.read_to_end(&mut read).unwrap();
    assert_eq!(read, b"pass");

    let (mut rig, handle, mut peer) = opened();
    rig.guest.send(handle, b"refuse");
    rig.guest.tcp(handle).close();
    rig.guest.until("reset", |guest| guest.tcp(handle).state() == State::Closed);
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(rig.reports.counters.read().refusals, 1);
}

#[test]
fn network_pitfalls_hidden_refusals_one_that_says_too_little_is_refused_after_a_while() {
    let patience = Patience { first_bytes: Duration::from_millis(200), ..Patience::default() };
    let (mut rig, handle, mut peer) = opened_with(patience);
    let mut refusals = rig.reports.refusals.subscribe();
    // One who says nothing may be a client that waits for the server.
    rig.guest.pause(Duration::from_millis(300));
    assert_eq!(rig.guest.tcp(handle).state(), State::Established);
    rig.guest.send(handle, b"pa");
    rig.guest.until("reset", |guest| guest.tcp(handle).state() == State::Closed);
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(refusals.try_recv().unwrap().name.as_deref(), Some("outside.test"));
}

#[test]
fn one_that_never_says_enough_is_reset() {
    let (mut rig, handle, _peer) = opened();
    rig.guest.send(handle, &vec![b'x'; FIRST_BYTES_MAX + 1]);
    rig.guest.until("reset", |guest| guest.tcp(handle).state() == State::Closed);
    assert_eq!(rig.reports.counters.read().refusals, 1);
}
