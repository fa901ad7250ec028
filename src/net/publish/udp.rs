//! Serves one published UDP port: each peer has a stream to the agent, which carries its datagrams. Started by `publisher`.
//!
//! As anywhere in UDP, a datagram that finds no room is dropped.

use std::{collections::HashMap, io, net::SocketAddr, sync::Arc, time::Duration};

use boxlite_spec::network::rule::Protocol;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        UdpSocket,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{self, error::TrySendError},
    },
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use super::{activity::Activity, shared::Shared};

/// How long a peer that is silent, and to which nothing is sent, is remembered.
const IDLE: Duration = Duration::from_mins(1);
/// Most peers of one port. The one that was silent for the longest gives way to a new one.
const PEERS_MAX: usize = 512;
/// Most datagrams of one peer, and most bytes of all peers, that wait for the box.
const WAITING_MAX: usize = 64;
const WAITING_BYTES: usize = 4 << 20;
/// The largest datagram, as its length is told in two bytes.
const DATAGRAM: usize = u16::MAX as usize;
/// How long nothing is received after a failure to do so.
const PAUSE: Duration = Duration::from_millis(10);

/// A datagram with its length before it, and its part of the bytes that may wait.
type Datagram = (Vec<u8>, OwnedSemaphorePermit);

/// Somebody who has sent a datagram to the port.
struct Peer {
    datagrams: mpsc::Sender<Datagram>,
    activity: Arc<Activity>,
    task: AbortHandle,
}

/// Serves `socket` for the port `guest` of the box until it is dropped.
pub(super) async fn serve(socket: UdpSocket, guest: u16, shared: Shared) {
    let mut port = Port {
        socket: Arc::new(socket),
        guest,
        shared,
        bytes: Arc::new(Semaphore::new(WAITING_BYTES)),
        peers: HashMap::new(),
        tasks: JoinSet::new(),
    };
    let mut buffer = vec![0; DATAGRAM];
    loop {
        tokio::select! {
            received = port.socket.recv_from(&mut buffer) => match received {
                Ok((length, from)) => port.hand_on(from, &buffer[..length]),
                Err(_) => sleep(PAUSE).await,
            },
            Some(_) = port.tasks.join_next(), if !port.tasks.is_empty() => {
                port.peers.retain(|_, peer| !peer.datagrams.is_closed());
            }
        }
    }
}

struct Port {
    socket: Arc<UdpSocket>,
    guest: u16,
    shared: Shared,
    bytes: Arc<Semaphore>,
    peers: HashMap<SocketAddr, Peer>,
    tasks: JoinSet<()>,
}

impl Port {
    /// Gives a datagram to the stream of the peer that sent it.
    fn hand_on(&mut self, from: SocketAddr, bytes: &[u8]) {
        let Ok(length) = u16::try_from(bytes.len()) else { return };
        let room = Arc::clone(&self.bytes).try_acquire_many_owned(u32::from(length));
        let Ok(room) = room else { return };
        let datagram = ([length.to_be_bytes().as_slice(), bytes].concat(), room);
        let datagram = match self.peers.get(&from) {
            Some(peer) => match peer.datagrams.try_send(datagram) {
                Ok(()) => return peer.activity.touch(),
                Err(TrySendError::Full(_)) => return,
                // Its stream has ended a moment ago.
                Err(TrySendError::Closed(datagram)) => datagram,
            },
            None => datagram,
        };
        if let Some(peer) = self.begin(from) {
            let _ = peer.datagrams.try_send(datagram);
            self.peers.insert(from, peer);
        }
    }

    /// Begins the stream of a new peer.
    fn begin(&mut self, from: SocketAddr) -> Option<Peer> {
        if self.peers.len() >= PEERS_MAX {
            let oldest =
                self.peers.iter().min_by_key(|(_, peer)| peer.activity.last()).map(|(from, _)| *from);
            if let Some(peer) = oldest.and_then(|oldest| self.peers.remove(&oldest)) {
                peer.task.abort();
            }
        }
        let Some(place) = self.shared.place() else {
            self.shared.report_full(from, self.guest, Protocol::Udp);
            return None;
        };
        let (sender, datagrams) = mpsc::channel(WAITING_MAX);
        let activity = Arc::new(Activity::new());
        let (shared, socket, used, guest) =
            (self.shared.clone(), Arc::clone(&self.socket), Arc::clone(&activity), self.guest);
        let task = self.tasks.spawn(async move {
            let _place = place;
            // What comes of it is nothing that a peer could be told.
            let _ = carry(&shared, guest, &socket, from, datagrams, &used).await;
        });
        Some(Peer { datagrams: sender, activity, task })
    }
}

/// Carries the datagrams of one peer both ways, until the agent ends the stream or nothing is carried for a minute.
async fn carry(
    shared: &Shared,
    guest: u16,
    socket: &UdpSocket,
    peer: SocketAddr,
    datagrams: mpsc::Receiver<Datagram>,
    activity: &Activity,
) -> io::Result<()> {
    let (from_box, to_box) = shared.dialer.dial(guest, true).await?.into_split();
    tokio::select! {
        ended = send(to_box, datagrams) => ended,
        ended = receive(from_box, socket, peer, activity) => ended,
        () = activity.idle(IDLE) => Ok(()),
    }
}

async fn send(mut to_box: OwnedWriteHalf, mut datagrams: mpsc::Receiver<Datagram>) -> io::Result<()> {
    while let Some((bytes, _room)) = datagrams.recv().await {
        to_box.write_all(&bytes).await?;
    }
    Ok(())
}

async fn receive(
    mut from_box: OwnedReadHalf,
    socket: &UdpSocket,
    peer: SocketAddr,
    activity: &Activity,
) -> io::Result<()> {
    let mut datagram = Vec::new();
    loop {
        let length = from_box.read_u16().await?;
        datagram.resize(length.into(), 0);
        from_box.read_exact(&mut datagram).await?;
        activity.touch();
        // A datagram that can't be sent, such as one that is too large, is lost alone.
        let _ = socket.send_to(&datagram, peer).await;
    }
}
