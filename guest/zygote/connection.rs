//! The agent's end of the socket to the zygote: sends requests, matches the answers to them, and passes exits on.
//!
//! Owned by `handle`; runs on the agent's runtime.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    os::fd::{AsFd as _, OwnedFd, RawFd},
    sync::Arc,
    time::Duration,
};

use boxlite_proto::v1::StartError;
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    libc,
};
use parking_lot::Mutex;
use prost::Message as _;
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::{Mutex as AsyncMutex, oneshot, watch},
    time::sleep,
};

use super::{
    launch::AgentSocket,
    message::{Action, Event, Exited, Failed, Reply, Request, Signalled, Spawned},
    wire::{self, Received, Receiver},
};
use crate::{Context as _, Error, Kind, Result, reactor};

/// Time between two tries to send while the kernel has no memory for it.
const AGAIN: Duration = Duration::from_millis(10);

/// The pid of a child that has executed its program, in the container's pid namespace, and its terminal's master, if one was
/// requested.
pub type Started = Result<(u32, Option<OwnedFd>), StartError>;

/// Called once when an execution's process has ended.
pub type OnExit = Box<dyn FnOnce(Exited) + Send>;

/// The socket, and the requests that wait for an answer.
pub(super) struct Connection {
    socket: AsyncFd<OwnedFd>,
    /// Held while all packets of one message are sent.
    sending: AsyncMutex<()>,
    pub(super) pending: Mutex<Pending>,
    /// Set when the container's init has exited although nobody stopped it.
    pub(super) lost: watch::Sender<bool>,
}

/// Who waits for which answer.
#[derive(Default)]
pub(super) struct Pending {
    closed: bool,
    /// Whether there is a container that nobody has asked to stop.
    pub(super) serving: bool,
    init_pid: u32,
    pub(super) container: Option<oneshot::Sender<Result<u32, Failed>>>,
    pub(super) spawns: HashMap<u64, oneshot::Sender<Started>>,
    pub(super) exits: HashMap<u64, OnExit>,
    /// The answers come in the order of the requests.
    pub(super) signals: VecDeque<oneshot::Sender<Signalled>>,
    pub(super) stop: Option<oneshot::Sender<u32>>,
}

impl Connection {
    /// Takes over the socket and starts to receive. Must run on the agent's runtime.
    pub(super) fn new(AgentSocket(socket): AgentSocket) -> Result<Arc<Self>> {
        fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
            .context(|| "make the zygote's socket non-blocking")?;
        let socket = reactor::watch(socket, Interest::READABLE | Interest::WRITABLE)
            .context(|| "watch the zygote's socket")?;
        let connection = Arc::new(Self {
            socket,
            sending: AsyncMutex::default(),
            pending: Mutex::default(),
            lost: watch::Sender::new(false),
        });
        tokio::spawn(receive(Arc::clone(&connection)));
        Ok(connection)
    }

    /// Sends a request and waits for its answer. `expect` notes who waits, when it is this request's turn, so that answers in order
    /// find their waiters in order.
    pub(super) async fn ask<T>(
        &self,
        action: Action,
        fds: &[RawFd],
        expect: impl FnOnce(&mut Pending, oneshot::Sender<T>),
    ) -> Result<T> {
        let (answer, wait) = oneshot::channel();
        self.send(action, fds, |pending| expect(pending, answer)).await?;
        wait.await.map_err(|_| gone())
    }

    async fn send(&self, action: Action, fds: &[RawFd], expect: impl FnOnce(&mut Pending)) -> Result<()> {
        let encoded = Request { action: Some(action) }.encode_to_vec();
        let _turn = self.sending.lock().await;
        {
            let mut pending = self.pending.lock();
            if pending.closed {
                return Err(gone());
            }
            expect(&mut pending);
        }
        for packet in wire::packets(&encoded) {
            loop {
                match wire::send_packet(self.socket.get_ref().as_fd(), packet, fds) {
                    Ok(()) => break,
                    Err(Errno::EINTR) => {}
                    Err(errno) if wire::is_shortage(errno) => sleep(AGAIN).await,
                    Err(Errno::EAGAIN) => {
                        self.socket.writable().await.context(|| "await the zygote")?.clear_ready();
                    }
                    failed => return failed.context(|| "send to the zygote"),
                }
            }
        }
        Ok(())
    }

    fn answer(&self, event: Event, mut fds: Vec<OwnedFd>) {
        let mut pending = self.pending.lock();
        match event {
            Event::InitCloned(pid) => pending.init_pid = pid,
            Event::Ready(_) => {
                let pid = pending.init_pid;
                pending.serving = true;
                reply(pending.container.take(), Ok(pid));
            }
            Event::Failed(failed) => reply(pending.container.take(), Err(failed)),
            Event::Spawned(Spawned { serial, pid, error }) => {
                reply(pending.spawns.remove(&serial), error.map_or_else(|| Ok((pid, fds.pop())), Err));
            }
            Event::Exited(event) => {
                let on_exit = pending.exits.remove(&event.serial);
                drop(pending);
                if let Some(on_exit) = on_exit {
                    on_exit(event);
                }
            }
            Event::Signalled(event) => reply(pending.signals.pop_front(), event),
            Event::Stopped(killed) => reply(pending.stop.take(), killed),
        }
    }

    /// The container's init has exited, and the kernel has killed every process in the container.
    fn close(&self) {
        let exits = {
            let mut pending = self.pending.lock();
            let exits = mem::take(&mut pending.exits);
            self.lost.send_replace(pending.serving);
            *pending = Pending { closed: true, ..Pending::default() };
            exits
        };
        for (serial, on_exit) in exits {
            on_exit(Exited { serial, code: 0, signal: libc::SIGKILL });
        }
    }
}

/// Passes on an answer. A waiter that has gone away is ignored.
fn reply<T>(waiter: Option<oneshot::Sender<T>>, answer: T) {
    if let Some(waiter) = waiter {
        let _ = waiter.send(answer);
    }
}

async fn receive(connection: Arc<Connection>) {
    let mut receiver = Receiver::new();
    loop {
        let Ok(mut ready) = connection.socket.readable().await else { break };
        match ready.try_io(|socket| receiver.receive::<Reply>(socket.get_ref()).map_err(Into::into)) {
            Ok(Ok(Received::Message(Reply { event: Some(event) }, fds))) => connection.answer(event, fds),
            Ok(Ok(Received::Message(..) | Received::Partial)) | Err(_) => {}
            Ok(Err(error)) if error.raw_os_error() == Some(Errno::EINTR as i32) => {}
            Ok(Err(error)) if error.raw_os_error().map(Errno::from_raw).is_some_and(wire::is_shortage) => {
                sleep(AGAIN).await;
            }
            Ok(Ok(Received::Closed) | Err(_)) => break,
        }
    }
    connection.close();
}

/// The error of a request that comes after the init's exit.
fn gone() -> Error {
    Error::new(Kind::State, "container: its init has ended")
}
