//! A guest for the tests: a second smoltcp stack at the other end of the link. It verifies checksums, and leaves those that it sends
//! partial, as a machine does that has them computed by its device.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    num::NonZeroUsize,
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::{Duration, Instant},
};

use boxlite_spec::network::LinkSpec;
use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet},
    phy::{self, Checksum, DeviceCapabilities, Medium},
    socket::tcp::{Socket, SocketBuffer, State},
    time,
    wire::{HardwareAddress, IpCidr, Ipv4Packet, TcpPacket},
};

use crate::gateway::{GATEWAY_MAC, frame};

/// How long a test waits for anything.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A guest.
pub(crate) struct Guest {
    pub socket: UnixStream,
    pub link: LinkSpec,
    interface: Interface,
    sockets: SocketSet<'static>,
    device: Device,
    started: Instant,
    read: Vec<u8>,
    next_port: u16,
    /// Frames that are not TCP.
    pub others: Vec<Vec<u8>>,
    /// The SYN-ACKs and the resets that came.
    pub syn_acks: usize,
    pub resets: usize,
    /// The largest frame that came.
    pub largest: usize,
    buffer: usize,
}

struct Device {
    received: VecDeque<Vec<u8>>,
    sent: VecDeque<Vec<u8>>,
    mtu: usize,
    offload: bool,
}

impl Guest {
    pub(crate) fn new(socket: OwnedFd, link: &LinkSpec, offload: bool) -> Self {
        let socket = UnixStream::from(socket);
        socket.set_nonblocking(true).unwrap();
        let mut device =
            Device { received: VecDeque::new(), sent: VecDeque::new(), mtu: link.mtu.into(), offload };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = 7;
        let mut interface = Interface::new(config, &mut device, time::Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(link.v4.guest.into(), 0)).unwrap();
            if let Some(v6) = link.v6 {
                addresses.push(IpCidr::new(v6.guest.into(), 0)).unwrap();
            }
        });
        Self {
            socket,
            link: link.clone(),
            interface,
            sockets: SocketSet::new(Vec::new()),
            device,
            started: Instant::now(),
            read: Vec::new(),
            next_port: 20_000,
            others: Vec::new(),
            syn_acks: 0,
            resets: 0,
            largest: 0,
            buffer: 256 * 1024,
        }
    }

    /// Sockets made from now on have buffers of this size.
    pub(crate) fn set_buffer(&mut self, size: usize) {
        self.buffer = size;
    }

    /// Begins to connect.
    pub(crate) fn connect(&mut self, to: SocketAddr) -> SocketHandle {
        let buffer = || SocketBuffer::new(vec![0; self.buffer]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_ack_delay(None);
        socket.set_nagle_enabled(false);
        self.next_port = if self.next_port == 65_000 { 20_000 } else { self.next_port + 1 };
        socket.connect(self.interface.context(), to, self.next_port).unwrap();
        self.sockets.add(socket)
    }

    /// Connects, and waits until it is so.
    pub(crate) fn connected(&mut self, to: SocketAddr) -> SocketHandle {
        let handle = self.connect(to);
        self.until("connected", |guest| guest.tcp(handle).state() == State::Established);
        handle
    }

    pub(crate) fn tcp(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    pub(crate) fn remove(&mut self, handle: SocketHandle) {
        self.sockets.remove(handle);
    }

    /// Sends a whole frame as it is.
    pub(crate) fn send_frame(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
        self.write(&[&length, frame].concat());
    }

    /// The Ethernet header of a frame from this guest.
    pub(crate) fn header(&self, ethertype: [u8; 2]) -> Vec<u8> {
        [&GATEWAY_MAC[..], &self.link.mac, &ethertype].concat()
    }

    /// Writes bytes to the link.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) {
        let began = Instant::now();
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(began.elapsed() < SOON, "the gateway reads nothing");
                    self.receive();
                }
                Err(_) => return,
            }
        }
    }

    /// Reads frames. Returns false at the end of the link.
    fn receive(&mut self) -> bool {
        let mut buffer = vec![0; 256 * 1024];
        match self.socket.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => self.read.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
        let mut at = 0;
        while let Some(prefix) = self.read.get(at..at + 4) {
            let length = u32::from_be_bytes(prefix.try_into().unwrap()) as usize;
            assert!((14..=65_549).contains(&length), "{length}");
            let Some(frame) = self.read.get(at + 4..at + 4 + length) else { break };
            let frame = frame.to_vec();
            at += 4 + length;
            self.take(frame);
        }
        self.read.drain(..at);
        true
    }

    fn take(&mut self, frame: Vec<u8>) {
        assert_eq!((&frame[..6], &frame[6..12]), (&self.link.mac[..], &GATEWAY_MAC[..]));
        self.largest = self.largest.max(frame.len());
        let packet = frame[14..].to_vec();
        let message = match [frame[12], frame[13]] {
            frame::IPV4 if packet[9] == 6 => {
                assert!(Ipv4Packet::new_checked(&packet[..]).unwrap().verify_checksum());
                &packet[20..]
            }
            frame::IPV6 if packet[6] == 6 => &packet[40..],
            _ => return self.others.push(frame),
        };
        let tcp = TcpPacket::new_checked(message).unwrap();
        self.syn_acks += usize::from(tcp.syn());
        self.resets += usize::from(tcp.rst());
        self.device.received.push_back(packet);
    }

    /// Lets everything happen that can happen now. Returns false at the end of the link.
    pub(crate) fn step(&mut self) -> bool {
        let open = self.receive();
        let now = time::Instant::from_micros(i64::try_from(self.started.elapsed().as_micros()).unwrap());
        self.interface.poll(now, &mut self.device, &mut self.sockets);
        while let Some(packet) = self.device.sent.pop_front() {
            let ethertype = if packet[0] >> 4 == 4 { frame::IPV4 } else { frame::IPV6 };
            let frame = [self.header(ethertype), packet].concat();
            self.send_frame(&frame);
        }
        open
    }

    /// Waits until something is so.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, is: impl FnMut(&mut Self) -> bool) {
        self.until_within(what, SOON, is);
    }

    /// Waits until something is so, for so long.
    #[track_caller]
    pub(crate) fn until_within(&mut self, what: &str, time: Duration, mut is: impl FnMut(&mut Self) -> bool) {
        let began = Instant::now();
        while !is(self) {
            assert!(began.elapsed() < time, "waited for: {what}");
            let before = self.read.len();
            self.step();
            if self.read.len() == before && self.device.received.is_empty() {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }

    /// Lets time pass.
    pub(crate) fn pause(&mut self, time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time {
            self.step();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends all bytes.
    #[track_caller]
    pub(crate) fn send(&mut self, handle: SocketHandle, bytes: &[u8]) {
        let mut sent = 0;
        self.until("bytes are sent", |guest| {
            sent += guest.tcp(handle).send_slice(&bytes[sent..]).unwrap();
            sent == bytes.len()
        });
    }

    /// Receives so many bytes, or all until the end.
    #[track_caller]
    pub(crate) fn receive_bytes(&mut self, handle: SocketHandle, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.until("bytes are received", |guest| {
            let socket = guest.tcp(handle);
            while socket.can_recv() && bytes.len() < most {
                socket
                    .recv(|some| {
                        let count = some.len().min(most - bytes.len());
                        bytes.extend_from_slice(&some[..count]);
                        (count, ())
                    })
                    .unwrap();
            }
            bytes.len() == most || !socket.may_recv() && socket.state() != State::SynSent
        });
        bytes
    }

    /// Waits until the gateway has hung up.
    #[track_caller]
    pub(crate) fn until_hung_up(&mut self) {
        let began = Instant::now();
        while self.step() {
            assert!(began.elapsed() < SOON, "the link is still there");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl phy::Device for Device {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sent<'a>;

    fn receive(&mut self, _: time::Instant) -> Option<(Received, Sent<'_>)> {
        Some((Received(self.received.pop_front()?), Sent(&mut self.sent)))
    }

    fn transmit(&mut self, _: time::Instant) -> Option<Sent<'_>> {
        (self.sent.len() < 32).then_some(Sent(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut this = DeviceCapabilities::default();
        this.medium = Medium::Ip;
        this.max_transmission_unit = self.mtu;
        this.checksum.tcp = if self.offload { Checksum::Rx } else { Checksum::Both };
        if self.offload {
            this.segmentation.tcpv4 = NonZeroUsize::new(65_535);
            this.segmentation.tcpv6 = NonZeroUsize::new(65_535);
        }
        this
    }
}

struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

struct Sent<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut packet = vec![0; length];
        let result = write(&mut packet);
        self.0.push_back(packet);
        result
    }
}
