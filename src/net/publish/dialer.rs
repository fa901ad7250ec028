//! `Dialer`: reaches a port in the box, through the agent (`wire::dial`). Called for each connection to a published TCP port and for each peer
//! of a published UDP port; it connects to the socket behind which the engine carries streams to the agent.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use boxlite_wire::{
    dial::{REQUEST, Request},
    port::DIAL,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use crate::socket;

/// How long a connection inside the box may take to be made, in milliseconds. It never leaves the box, so a second is plenty, unless the
/// box is very busy.
const CONNECT_MS: u16 = 10_000;
/// How long the agent may take beyond that.
const ANSWER: Duration = Duration::from_secs(5);

/// Reaches ports of one box.
#[derive(Debug, Clone)]
pub struct Dialer {
    socket: PathBuf,
}

impl Dialer {
    /// The dialer behind the socket at `path`, which need not exist yet.
    pub fn new(path: &Path) -> Self {
        Self { socket: socket::name(path) }
    }

    /// Connects to `port` in the box. Returns the stream that carries the connection, or the datagrams if it is a `udp` port.
    ///
    /// # Errors
    /// What the box's kernel answered, such as `ECONNREFUSED` where nothing listens; or why the agent can't be reached, such as `ENOENT` while
    /// the machine starts.
    pub async fn dial(&self, port: u16, udp: bool) -> io::Result<UnixStream> {
        let request = Request { udp, port, timeout_ms: CONNECT_MS };
        let limit = Duration::from_millis(CONNECT_MS.into()) + ANSWER;
        timeout(limit, self.ask(request)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn ask(&self, request: Request) -> io::Result<UnixStream> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        let mut asked = [0; DIAL.len() + REQUEST];
        asked[..DIAL.len()].copy_from_slice(DIAL);
        asked[DIAL.len()..].copy_from_slice(&request.encode());
        stream.write_all(&asked).await?;
        match stream.read_u16().await? {
            0 => Ok(stream),
            errno => Err(io::Error::from_raw_os_error(errno.into())),
        }
    }
}
