//! `PortConnection`: a connection to a port in a box. Made by `ports`.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use bytes::{Buf as _, Bytes, BytesMut};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{Shutdown, shutdown},
};
use tokio::{net::UnixStream, sync::Mutex};

use crate::{in_context::in_context, litebox::lifecycle::machine::Machine};

/// Most bytes of one read.
const CHUNK: usize = 64 << 10;

/// A connection to a port in a box. Each direction ends by itself. Nothing is read ahead, so a reader that pauses holds the box back.
/// Clones share the connection; it is closed when the last one is dropped.
#[derive(Debug, Clone)]
pub struct PortConnection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    machine: Arc<Machine>,
    id: String,
    port: u16,
    stream: UnixStream,
    /// Whether the direction to the box was ended here.
    ended: AtomicBool,
    /// Writes come one after the other.
    writing: Mutex<()>,
}

impl PortConnection {
    pub(super) fn new(machine: Arc<Machine>, id: &str, port: u16, stream: UnixStream) -> Self {
        let id = id.to_owned();
        let ended = AtomicBool::new(false);
        Self(Arc::new(Inner { machine, id, port, stream, ended, writing: Mutex::default() }))
    }

    /// The port in the box.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Waits for the next bytes. Returns `None` when the box has ended its direction, or the connection was closed.
    ///
    /// # Errors
    /// `PORT_CLOSED` if the box has reset the connection; `PORTAL_LOST` if the box has ended.
    pub async fn read(&self) -> BoxliteResult<Option<Bytes>> {
        let read = async {
            let mut data = BytesMut::with_capacity(CHUNK);
            loop {
                self.0.stream.readable().await?;
                match self.0.stream.try_read_buf(&mut data) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => break read.map(|_| data.freeze()),
                }
            }
        };
        match in_context(&self.0.machine.handle, read).await {
            Ok(data) if !data.is_empty() => Ok(Some(data)),
            // The end of a machine ends its connections as if the box had, and is known only a moment later.
            Ok(_) if self.0.machine.outcome().is_some() || self.0.is_gone() => {
                match self.failed("read from", io::ErrorKind::UnexpectedEof.into()).await {
                    lost if lost.code() == ErrorCode::PortalLost => Err(lost),
                    _ => Ok(None),
                }
            }
            Ok(_) => Ok(None),
            Err(error) => Err(self.failed("read from", error).await),
        }
    }

    /// Writes all of `data`. Returns when the kernel has taken it, which it does only as fast as the box reads.
    ///
    /// # Errors
    /// `PORT_CLOSED` if the box has closed or reset the connection, or this direction was ended; `PORTAL_LOST` if the box has ended.
    pub async fn write(&self, mut data: Bytes) -> BoxliteResult<()> {
        let write = async {
            let _writing = self.0.writing.lock().await;
            while data.has_remaining() {
                self.0.stream.writable().await?;
                match self.0.stream.try_write(&data) {
                    Ok(written) => data.advance(written),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        };
        match in_context(&self.0.machine.handle, write).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed("write to", error).await),
        }
    }

    /// Ends the direction to the box once everything before is written. The other one goes on.
    pub async fn end(&self) {
        let _writing = self.0.writing.lock().await;
        self.shut(Shutdown::Write);
    }

    /// Closes the connection, and ends reads and writes that wait.
    pub fn close(&self) {
        self.shut(Shutdown::Both);
    }

    fn shut(&self, how: Shutdown) {
        self.0.ended.store(true, Ordering::Release);
        // It fails only if the other side has gone before.
        let _ = shutdown(self.0.stream.as_raw_fd(), how);
    }

    async fn failed(&self, what: &str, error: io::Error) -> BoxliteError {
        let Inner { machine, id, port, .. } = &*self.0;
        let message = format!("{what} port {port} of box `{id}`: {error}");
        let lost = BoxliteError::new(ErrorCode::PortalLost, message.clone());
        let explained = machine.explained(async { Err::<(), _>(lost) }).await;
        match explained {
            Err(explained) if machine.outcome().is_some() => explained,
            _ => BoxliteError::new(ErrorCode::PortClosed, message).caused_by(error),
        }
    }
}

impl Inner {
    /// Whether the other side has closed both directions though this one was not ended here. A service that closes its connection ends
    /// but one, so either it was reset since, or there is no shim any more.
    fn is_gone(&self) -> bool {
        let mut socket = [PollFd::new(self.stream.as_fd(), PollFlags::empty())];
        let polled = poll(&mut socket, PollTimeout::ZERO);
        let hung_up = socket[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP));
        polled.is_ok() && hung_up && !self.ended.load(Ordering::Acquire)
    }
}
