//! The backend with the system's libslirp, seen by a guest at the other end of the link. The host's 127.0.0.1 is what it reaches, by its
//! address on the link.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use boxlite_spec::network::{BackendKind, DnsSpec, LinkSpec, NetworkLimits, NetworkSpec};
use proptest::{prelude::*, test_runner::Config};
use smoltcp::{
    socket::tcp::State,
    wire::{DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, Ipv4Packet, UdpPacket},
};

use super::{
    Libslirp,
    gate::{Admitted, Gate},
    hostile::{self, link},
};
use crate::{
    backend::{NetworkBackend as _, Reports},
    gateway::{checksum, datagrams::packet::UDP, frame, reply, tests::guest::Guest},
    numbers::octets,
    sample::{network, policy},
};

const HOST: Ipv4Addr = Ipv4Addr::new(10, 107, 0, 254);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 107, 0, 1);
const GUEST: Ipv4Addr = Ipv4Addr::new(10, 107, 0, 2);

/// libslirp keeps its clock in a variable of its own, and a shim has one instance.
static ONE: Mutex<()> = Mutex::new(());

struct Rig {
    guest: Guest,
    backend: Libslirp,
    reports: Reports,
    _one: MutexGuard<'static, ()>,
}

fn rig(allow: &[&str]) -> Rig {
    rig_with(allow, NetworkLimits::default())
}

fn rig_with(allow: &[&str], limits: NetworkLimits) -> Rig {
    let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let spec = NetworkSpec {
        backend: BackendKind::Libslirp,
        link: link(),
        policy: policy(Some(allow), &[]),
        dns: DnsSpec { search: Some(vec!["corp.test".into()]), ..DnsSpec::default() },
        limits,
        ..network()
    };
    let mut backend = Libslirp::new(&spec);
    let reports = Reports::default();
    let attachment = backend.start(&spec, reports.clone()).unwrap();
    assert!(!attachment.offload);
    let guest = Guest::new(attachment.socket, &spec.link, false);
    Rig { guest, backend, reports, _one: one }
}

/// A listener on the host's 127.0.0.1, and its address as the box sees it.
fn server() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, (HOST, port).into())
}

/// A frame with a datagram from the guest.
fn datagram(from: u16, to: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let mut frame = vec![0; 14 + 20 + usize::from(length)];
    frame[..6].fill(0xff);
    frame[6..12].copy_from_slice(&link().mac);
    frame[12..14].copy_from_slice(&frame::IPV4);
    let message = reply::ip(&mut frame[14..], GUEST.into(), to.0.into(), UDP, length);
    message[..2].copy_from_slice(&from.to_be_bytes());
    message[2..4].copy_from_slice(&to.1.to_be_bytes());
    message[4..6].copy_from_slice(&length.to_be_bytes());
    message[8..].copy_from_slice(payload);
    let sum = checksum::with_addresses(GUEST.into(), to.0.into(), UDP, message);
    message[6..8].copy_from_slice(&sum);
    frame
}

/// The payload of a datagram to the guest.
fn payload(frame: &[u8]) -> Option<Vec<u8>> {
    let packet = Ipv4Packet::new_checked(frame.get(14..)?).ok()?;
    let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
    (frame[12..14] == frame::IPV4 && packet.next_header() == smoltcp::wire::IpProtocol::Udp)
        .then(|| datagram.payload().to_vec())
}

#[test]
fn bytes_go_each_way_unchanged_and_each_end_passes_by_itself() {
    let (listener, to) = server();
    let mut rig = rig(&["host"]);
    let handle = rig.guest.connected(to);
    let (mut peer, _) = listener.accept().unwrap();
    let sent: Vec<u8> = (0..500_000_u32).map(|at| (at % 251) as u8).collect();
    let expected = sent.clone();
    let served = thread::spawn(move || {
        let mut read = Vec::new();
        peer.read_to_end(&mut read).unwrap();
        assert!(read == expected);
        peer.write_all(&read).unwrap();
    });
    rig.guest.send(handle, &sent);
    rig.guest.tcp(handle).close();
    assert!(rig.guest.receive_bytes(handle, usize::MAX) == sent);
    served.join().unwrap();
    let metrics = rig.reports.counters.read();
    assert_eq!(metrics.connections_total, 1);
    assert!(metrics.sent_bytes > 500_000 && metrics.received_bytes > 500_000, "{metrics:?}");
    rig.guest.until("no connection", |_| rig.reports.counters.connections() == 0);
    assert!(rig.guest.largest <= 1514);
}

#[test]
fn a_refused_connection_is_a_reset() {
    let (listener, to) = server();
    drop(listener);
    let mut rig = rig(&["host"]);
    let handle = rig.guest.connect(to);
    rig.guest.until("a reset", |guest| guest.tcp(handle).state() == State::Closed);
    assert_eq!((rig.guest.syn_acks, rig.guest.resets), (0, 1));
}

#[test]
fn the_host_is_closed_unless_the_policy_opens_it() {
    let (listener, to) = server();
    listener.set_nonblocking(true).unwrap();
    for allow in [&["public"][..], &["public", "private"]] {
        let mut rig = rig(allow);
        let mut refusals = rig.reports.refusals.subscribe();
        for address in [HOST, Ipv4Addr::LOCALHOST, Ipv4Addr::new(10, 107, 0, 77)] {
            let handle = rig.guest.connect((address, to.port()).into());
            rig.guest.pause(Duration::from_millis(100));
            assert_ne!(rig.guest.tcp(handle).state(), State::Established, "{address}");
        }
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        let refused = refusals.try_recv().unwrap();
        assert_eq!((refused.address, refused.port), (Some(HOST.into()), to.port()));
        // Nor while it runs: libslirp itself was told.
        assert!(
            rig.backend.set_policy(&policy(Some(&["host"]), &[])).unwrap_err().to_string().contains("`host`")
        );
        rig.backend.set_policy(&policy(Some(&["private"]), &[])).unwrap();
    }
}

#[test]
fn a_policy_that_is_replaced_closes_what_it_refuses() {
    let (listener, to) = server();
    let mut rig = rig(&["host"]);
    let handle = rig.guest.connected(to);
    let (mut peer, _) = listener.accept().unwrap();
    rig.backend.set_policy(&policy(Some(&["public"]), &[])).unwrap();
    rig.guest.send(handle, b"x");
    rig.guest.until("a reset", |guest| guest.tcp(handle).state() == State::Closed);
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let end = peer.read(&mut [0; 8]);
    assert!(
        matches!(end, Ok(0)) || end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
    );
    rig.guest.until("no connection", |_| rig.reports.counters.connections() == 0);
}

#[test]
fn datagrams_are_exchanged_with_those_only_to_whom_the_box_has_sent_some() {
    let (server, stranger) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut rig = rig(&["host"]);
    let port = server.local_addr().unwrap().port();
    rig.guest.send_frame(&datagram(5000, (HOST, port), b"ask"));
    let mut buffer = [0; 64];
    let (length, from) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"ask");
    // libslirp's socket takes datagrams from anybody. This one comes from the host's 127.0.0.1 too, but not from where the box has sent to:
    // libslirp gives all of them the host's address, so the port is what differs.
    stranger.send_to(b"strange", ("127.0.0.1", from.port())).unwrap();
    server.send_to(b"answer", ("127.0.0.1", from.port())).unwrap();
    let answered =
        |guest: &mut Guest| guest.others.iter().any(|frame| payload(frame).as_deref() == Some(b"answer"));
    rig.guest.until("an answer", answered);
    rig.guest.pause(Duration::from_millis(100));
    let strange =
        rig.guest.others.iter().filter_map(|frame| payload(frame)).filter(|payload| payload == b"strange");
    assert_eq!(strange.count(), 0);
}

#[test]
fn a_large_datagram_reaches_libslirp_in_one_piece() {
    let mut gate = Gate::new(LinkSpec { mtu: 65_520, ..link() });
    let bytes: Vec<u8> = (0..9000_u32).map(|at| (at % 253) as u8).collect();
    let whole = datagram(5000, (Ipv4Addr::new(203, 0, 113, 7), 7), &bytes);
    let message = &whole[34..];
    let mut admitted = Vec::new();
    for at in [0, 1480, 2960, 4440, 5920, 7400, 8880] {
        let part = &message[at..message.len().min(at + 1480)];
        let mut frame = whole[..34].to_vec();
        frame.extend(part);
        frame[16..18].copy_from_slice(&u16::try_from(20 + part.len()).unwrap().to_be_bytes());
        let more = if at == 8880 { 0 } else { 0x2000 };
        frame[20..22].copy_from_slice(&(u16::try_from(at / 8).unwrap() | more).to_be_bytes());
        frame[24..26].fill(0);
        let sum = checksum::of(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum);
        admitted.push(match gate.admit(&frame, Instant::now()) {
            Admitted::Frame(frame) => Some(frame.into_owned()),
            Admitted::Part => None,
            other => panic!("{other:?}"),
        });
    }
    assert!(admitted[..6].iter().all(Option::is_none));
    assert!(admitted[6].as_ref().unwrap()[34..] == *message);
}

#[test]
fn dhcp_is_answered_without_libslirp() {
    let mut rig = rig(&["public"]);
    let request = DhcpRepr {
        message_type: DhcpMessageType::Discover,
        transaction_id: 7,
        secs: 0,
        client_hardware_address: EthernetAddress(link().mac),
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: Ipv4Addr::UNSPECIFIED,
        server_ip: Ipv4Addr::UNSPECIFIED,
        router: None,
        subnet_mask: None,
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: true,
        requested_ip: None,
        client_identifier: None,
        server_identifier: None,
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    };
    let mut bytes = vec![0; request.buffer_len()];
    request.emit(&mut DhcpPacket::new_unchecked(&mut bytes)).unwrap();
    rig.guest.send_frame(&datagram(68, (Ipv4Addr::BROADCAST, 67), &bytes));
    rig.guest.until("an offer", |guest| !guest.others.is_empty());
    let answer = payload(&rig.guest.others[0]).unwrap();
    let packet = DhcpPacket::new_checked(&answer[..]).unwrap();
    let offer = DhcpRepr::parse(&packet).unwrap();
    assert_eq!((offer.message_type, offer.your_ip), (DhcpMessageType::Offer, GUEST));
    assert_eq!((offer.router, offer.server_identifier), (Some(GATEWAY), Some(GATEWAY)));
    let search = packet.options().find(|option| option.kind == 119).unwrap();
    assert_eq!(search.data, b"\x04corp\x04test\0");
}

#[test]
fn connections_are_bounded() {
    let (listener, to) = server();
    let mut rig = rig_with(&["host"], NetworkLimits { connections: 2, ..NetworkLimits::default() });
    let open: Vec<_> = (0..2).map(|_| rig.guest.connected(to)).collect();
    let third = rig.guest.connect(to);
    rig.guest.until("a reset", |guest| guest.tcp(third).state() == State::Closed);
    rig.guest.tcp(open[0]).abort();
    rig.guest.until("room", |_| rig.reports.counters.connections() < 2);
    rig.guest.connected(to);
    drop(listener);
}

#[test]
fn it_ends_with_the_machine_and_when_it_is_stopped() {
    let stopped = {
        let mut rig = rig(&["host"]);
        rig.backend.stop();
        rig.guest.until_hung_up();
        rig.backend.stop();
        rig.reports.counters.connections()
    };
    assert_eq!(stopped, 0);
    let Rig { guest, mut backend, .. } = rig(&["host"]);
    drop(guest);
    backend.stop();
}

#[test]
fn an_idle_box_does_not_wake_it() {
    let mut rig = rig(&["host"]);
    rig.guest.pause(Duration::from_millis(100));
    let switches = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let status = tasks.filter_map(|task| {
            let path = task.ok()?.path();
            let name = std::fs::read_to_string(path.join("comm")).ok()?;
            (name == "libslirp\n").then(|| std::fs::read_to_string(path.join("status")).ok())?
        });
        status
            .collect::<Vec<_>>()
            .concat()
            .lines()
            .find(|line| line.starts_with("voluntary"))
            .map(str::to_owned)
    };
    let before = switches();
    assert!(before.is_some());
    thread::sleep(Duration::from_millis(2500));
    assert_eq!(switches(), before);
}

proptest! {
    #![proptest_config(Config { cases: 2000, ..Config::default() })]

    /// Whatever the box sends, libslirp gets what is addressed and measured as it says.
    #[test]
    fn the_gate_admits_only_what_is_as_it_says(
        mut frame in proptest::collection::vec(any::<u8>(), 0..1600),
        shape in 0..4_u8,
    ) {
        hostile::shaped(&mut frame, shape, 80);
        hostile::admit(&mut Gate::new(hostile::link()), &frame);
    }

    #[test]
    fn sequences_of_hostile_frames_are_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..8000)) {
        hostile::frames(&bytes);
    }
}

#[test]
fn hostile_frames_do_not_end_it() {
    let (listener, to) = server();
    // Some of the frames open connections, too.
    thread::spawn(move || {
        let greeted = listener.incoming().map_while(Result::ok).map(|mut peer| {
            let _ = peer.write_all(b"still there");
            peer
        });
        greeted.collect::<Vec<_>>()
    });
    let mut rig = rig(&[&format!("host:{}", to.port()), "host/icmp"]);
    let mut random = octets();
    for round in 0..20_000_u32 {
        let length = 14 + usize::from(random.next().unwrap()) * if round % 7 == 0 { 6 } else { 1 };
        let mut frame: Vec<u8> = random.by_ref().take(length).collect();
        hostile::shaped(&mut frame, (round % 4) as u8, to.port());
        rig.guest.send_frame(&frame);
    }
    rig.guest.others.clear();
    let handle = rig.guest.connected(to);
    assert_eq!(rig.guest.receive_bytes(handle, 11), b"still there");
    assert!(rig.reports.counters.read().dropped_packets > 1000);
}
