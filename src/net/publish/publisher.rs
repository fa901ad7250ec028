//! `Publisher`: the ports of one box that are published on the host. Made by `host`, changed by `control`; each port is served by a task.

use std::{
    error, fmt, io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use boxlite_spec::network::{control::FailureKind, port::PublishSpec, rule::Protocol};
use socket2::{Domain, Socket, Type};
use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
};

use super::{dialer::Dialer, shared::Shared, tcp, udp};
use crate::backend::Reports;

/// Most publications of one box.
const PORTS_MAX: usize = 1024;
/// Connections that the kernel may hold until they are accepted.
const BACKLOG: i32 = 1024;

/// The published ports of a box. When it is dropped, their tasks end with the tokio runtime that they run on.
#[derive(Debug)]
pub struct Publisher {
    shared: Shared,
    ports: Mutex<Vec<Published>>,
}

#[derive(Debug)]
struct Published {
    spec: PublishSpec,
    task: JoinHandle<()>,
}

impl Publisher {
    /// A publisher without ports. At most `connections` TCP connections and UDP peers are served at one time, over all ports.
    pub fn new(dialer: Dialer, reports: Reports, connections: u32) -> Self {
        Self { shared: Shared::new(dialer, reports, connections), ports: Mutex::default() }
    }

    /// Listens for a port, and returns it with the host's port that it was given. Called on a tokio runtime, which serves it.
    ///
    /// # Errors
    /// If the address is in use or may not be listened on, or if the box has too many published ports.
    pub fn publish(&self, wish: PublishSpec) -> Result<PublishSpec, PublishError> {
        let failed = |error: io::Error| PublishError::new(&wish, &error);
        let mut ports = self.lock();
        if ports.len() >= PORTS_MAX {
            let full = format!("the box has {PORTS_MAX} published ports, which is the most");
            return Err(failed(io::Error::other(full)));
        }
        let listening = listen(&wish).map_err(failed)?;
        let address = listening.local_addr().map_err(failed)?.as_socket();
        let spec = PublishSpec { host: address.map_or(wish.host, |address| address.port()), ..wish };
        let (shared, guest) = (self.shared.clone(), wish.guest);
        let task = if wish.protocol == Protocol::Udp {
            let socket = UdpSocket::from_std(listening.into()).map_err(failed)?;
            tokio::spawn(udp::serve(socket, guest, shared))
        } else {
            let listener = TcpListener::from_std(listening.into()).map_err(failed)?;
            tokio::spawn(tcp::serve(listener, guest, shared))
        };
        ports.push(Published { spec, task });
        Ok(spec)
    }

    /// Withdraws every publication of the port `guest` of the box, and closes its connections. Returns those that were withdrawn; their
    /// addresses are free then.
    pub async fn unpublish(&self, guest: u16, protocol: Protocol) -> Vec<PublishSpec> {
        let withdrawn: Vec<Published> = self
            .lock()
            .extract_if(.., |port| port.spec.guest == guest && port.spec.protocol == protocol)
            .collect();
        let mut specs = Vec::new();
        for Published { spec, task } in withdrawn {
            task.abort();
            // Its socket is closed when the task is gone.
            let _ = task.await;
            specs.push(spec);
        }
        specs
    }

    /// Returns the published ports, the oldest first.
    pub fn ports(&self) -> Vec<PublishSpec> {
        self.lock().iter().map(|port| port.spec).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Published>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the socket of a publication.
fn listen(wish: &PublishSpec) -> io::Result<Socket> {
    let address = SocketAddr::new(wish.bind, wish.host);
    let domain = Domain::for_address(address);
    let socket = match wish.protocol {
        Protocol::Tcp => {
            let socket = Socket::new(domain, Type::STREAM.cloexec(), None)?;
            // Connections that have ended lately do not keep the port.
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            socket
        }
        Protocol::Udp => {
            let socket = Socket::new(domain, Type::DGRAM.cloexec(), None)?;
            socket.bind(&address.into())?;
            socket
        }
        Protocol::Icmp => return Err(io::Error::other("ICMP has no ports: publish TCP or UDP")),
    };
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Why a port could not be published.
#[derive(Debug)]
pub struct PublishError {
    /// The kind of failure.
    pub kind: FailureKind,
    message: String,
}

impl PublishError {
    fn new(wish: &PublishSpec, error: &io::Error) -> Self {
        let PublishSpec { guest, host, protocol, bind } = wish;
        let address = SocketAddr::new(*bind, *host);
        let kind = match error.kind() {
            io::ErrorKind::AddrInUse => FailureKind::AddressInUse,
            io::ErrorKind::PermissionDenied | io::ErrorKind::AddrNotAvailable => FailureKind::AddressDenied,
            _ => FailureKind::Other,
        };
        let message = format!("publish port {guest}/{} of the box on {address}: {error}", protocol.as_str());
        Self { kind, message }
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for PublishError {}
