//! The agent's handle on the zygote: requests out, answers matched to them, deaths passed on.
//!
//! Called by `execution` and by the services; runs on the agent's runtime.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    os::fd::{AsFd as _, AsRawFd, OwnedFd, RawFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use boxlite_proto::v1::{ContainerInitRequest, ExecRequest, StartError};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    libc,
};
use prost::Message as _;
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::{Mutex as AsyncMutex, oneshot, watch},
    time::sleep,
};

use super::{
    Side,
    message::{Action, Contain, Event, Exited, Failed, Reply, Request, Signal, Signalled, Spawn, Stop},
    wire::{self, Received, Receiver},
};
use crate::{Context as _, Error, Kind, Result, reactor, storage::ROOTFS};

/// Between two tries to send while the kernel has no memory for it.
const AGAIN: Duration = Duration::from_millis(10);

/// A child that is its program.
#[derive(Debug)]
pub struct Spawned {
    /// Pid in the container's pid namespace.
    pub pid: u32,
    /// The terminal's master, if one was asked for.
    pub master: Option<OwnedFd>,
}

/// What becomes of an execution's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lot {
    /// They may outlive the first.
    Free,
    /// None outlives the first.
    Alone,
    /// The first is the box's main process.
    Main,
}

/// Called once when an execution's process has ended.
pub type OnExit = Box<dyn FnOnce(Exited) + Send>;

/// The agent's end of the line. Clones share it.
#[derive(Clone)]
pub struct Zygote(Arc<Line>);

struct Line {
    socket: AsyncFd<OwnedFd>,
    /// Held over all packets of one message.
    sending: AsyncMutex<()>,
    pending: Mutex<Pending>,
    /// The container's init is gone though nobody stopped it.
    lost: watch::Sender<bool>,
}

/// Who waits for what.
#[derive(Default)]
struct Pending {
    closed: bool,
    /// There is a container, and nobody asked for its end.
    serving: bool,
    init_pid: u32,
    container: Option<oneshot::Sender<Result<u32, Failed>>>,
    spawns: HashMap<u64, oneshot::Sender<Result<Spawned, StartError>>>,
    exits: HashMap<u64, OnExit>,
    /// Answers come in the order of the requests.
    signals: VecDeque<oneshot::Sender<Signalled>>,
    stop: Option<oneshot::Sender<u32>>,
}

impl fmt::Debug for Zygote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zygote").finish_non_exhaustive()
    }
}

impl Zygote {
    /// Takes up the line and starts listening. Must run on the agent's runtime.
    pub fn new(side: Side) -> Result<Self> {
        fcntl(&side.0, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
            .context(|| "make the zygote's socket non-blocking")?;
        let socket = reactor::watch(side.0, Interest::READABLE | Interest::WRITABLE)
            .context(|| "watch the zygote's socket")?;
        let line = Arc::new(Line {
            socket,
            sending: AsyncMutex::default(),
            pending: Mutex::default(),
            lost: watch::Sender::new(false),
        });
        tokio::spawn(listen(Arc::clone(&line)));
        Ok(Self(line))
    }

    /// Makes the container, with it or, with `main_is_init`, with the main process as its init. Answers the init's pid in the
    /// guest's initial pid namespace.
    pub async fn contain(&self, request: ContainerInitRequest, main_is_init: bool) -> Result<u32> {
        let order = Contain { request: Some(request), rootfs: ROOTFS.to_owned(), main_is_init };
        self.found(Action::Contain(Box::new(order))).await
    }

    /// Lets it serve executions on this machine itself, without a container.
    #[cfg(any(test, feature = "testing"))]
    pub async fn uncontained(&self) -> Result<()> {
        self.found(Action::Uncontained(super::message::Uncontained {})).await.map(drop)
    }

    async fn found(&self, action: Action) -> Result<u32> {
        let (answer, wait) = oneshot::channel();
        self.0.pending().container = Some(answer);
        self.send(action, &[]).await?;
        let made = wait.await.map_err(|_| gone())?;
        made.map_err(|Failed { message, invalid }| {
            let kind = if invalid { Kind::Invalid } else { Kind::System };
            Error::new(kind, format!("make container: {message}"))
        })
    }

    /// Forks a child for `request` with its ends of the streams. `on_exit` is called only if this succeeds.
    pub async fn spawn(
        &self,
        serial: u64,
        request: ExecRequest,
        lot: Lot,
        streams: Vec<OwnedFd>,
        on_exit: OnExit,
    ) -> Result<Result<Spawned, StartError>> {
        let (answer, wait) = oneshot::channel();
        {
            let mut pending = self.0.pending();
            pending.spawns.insert(serial, answer);
            pending.exits.insert(serial, on_exit);
        }
        let (alone, main) = (matches!(lot, Lot::Alone), matches!(lot, Lot::Main));
        let action = Action::Spawn(Box::new(Spawn { serial, request: Some(request), alone, main }));
        let fds: Vec<RawFd> = streams.iter().map(AsRawFd::as_raw_fd).collect();
        let sent = self.send(action, &fds).await;
        drop(streams);
        let answered = match sent {
            Ok(()) => wait.await.map_err(|_| gone()),
            Err(error) => Err(error),
        };
        if !matches!(answered, Ok(Ok(_))) {
            let mut pending = self.0.pending();
            pending.spawns.remove(&serial);
            pending.exits.remove(&serial);
        }
        answered
    }

    /// Signals an execution's process group; with `all` the execution leaves no process behind, see [`Signal`]. False:
    /// it had ended before.
    pub async fn signal(&self, serial: u64, signal: i32, all: bool) -> Result<bool> {
        let (answer, wait) = oneshot::channel();
        self.send_with(Action::Signal(Signal { serial, signal, all }), &[], |pending| {
            pending.signals.push_back(answer);
        })
        .await?;
        let signalled = wait.await.map_err(|_| gone())?;
        if signalled.error.is_empty() {
            Ok(signalled.delivered)
        } else {
            Err(Error::new(Kind::System, format!("send signal {signal}: {}", signalled.error)))
        }
    }

    /// Ends all that runs in the container, and the container's init. Answers how many had to be killed.
    pub async fn stop(&self, order: Stop) -> Result<u32> {
        let (answer, wait) = oneshot::channel();
        {
            let mut pending = self.0.pending();
            pending.stop = Some(answer);
            pending.serving = false;
        }
        self.send(Action::Stop(order), &[]).await?;
        wait.await.map_err(|_| gone())
    }

    /// Waits until the container's init is gone though nobody stopped it. Nothing can be executed then.
    pub async fn lost(&self) {
        let mut lost = self.0.lost.subscribe();
        // The sender lives as long as `self`.
        let _ = lost.wait_for(|lost| *lost).await;
    }

    async fn send(&self, action: Action, fds: &[RawFd]) -> Result<()> {
        self.send_with(action, fds, |_| ()).await
    }

    /// Sends; `expect` runs when it is this message's turn, so that answers in order find their waiters in order.
    async fn send_with(
        &self,
        action: Action,
        fds: &[RawFd],
        expect: impl FnOnce(&mut Pending),
    ) -> Result<()> {
        let encoded = Request { action: Some(action) }.encode_to_vec();
        let _turn = self.0.sending.lock().await;
        {
            let mut pending = self.0.pending();
            if pending.closed {
                return Err(gone());
            }
            expect(&mut pending);
        }
        let socket = &self.0.socket;
        for packet in wire::packets(&encoded) {
            loop {
                match wire::send_packet(socket.get_ref().as_fd(), packet, fds) {
                    Ok(()) => break,
                    Err(Errno::EINTR) => {}
                    Err(errno) if wire::is_shortage(errno) => sleep(AGAIN).await,
                    Err(Errno::EAGAIN) => {
                        socket.writable().await.context(|| "await the zygote")?.clear_ready();
                    }
                    failed => return failed.context(|| "send to the zygote"),
                }
            }
        }
        Ok(())
    }
}

fn gone() -> Error {
    Error::new(Kind::State, "container: its init has ended")
}

impl Line {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, event: Event, mut fds: Vec<OwnedFd>) {
        let mut pending = self.pending();
        match event {
            Event::Born(pid) => pending.init_pid = pid,
            Event::Ready(_) => {
                let pid = pending.init_pid;
                pending.serving = true;
                reply(pending.container.take(), Ok(pid));
            }
            Event::Failed(failed) => reply(pending.container.take(), Err(failed)),
            Event::Spawned(event) => {
                reply(
                    pending.spawns.remove(&event.serial),
                    Ok(Spawned { pid: event.pid, master: fds.pop() }),
                );
            }
            Event::NotSpawned(event) => {
                reply(pending.spawns.remove(&event.serial), Err(event.error.unwrap_or_default()));
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

    /// The container's init is gone, and the kernel has killed all that it held.
    fn close(&self) {
        let exits = {
            let mut pending = self.pending();
            let exits = std::mem::take(&mut pending.exits);
            self.lost.send_replace(pending.serving);
            *pending = Pending { closed: true, ..Pending::default() };
            exits
        };
        for (serial, on_exit) in exits {
            on_exit(Exited { serial, code: 0, signal: libc::SIGKILL });
        }
    }
}

/// A waiter that has gone away does not matter.
fn reply<T>(waiter: Option<oneshot::Sender<T>>, answer: T) {
    if let Some(waiter) = waiter {
        let _ = waiter.send(answer);
    }
}

async fn listen(line: Arc<Line>) {
    let mut receiver = Receiver::new();
    loop {
        let Ok(mut ready) = line.socket.readable().await else { break };
        match ready.try_io(|socket| receiver.receive::<Reply>(socket.get_ref()).map_err(Into::into)) {
            Ok(Ok(Received::Message(Reply { event: Some(event) }, fds))) => line.answer(event, fds),
            Ok(Ok(Received::Message(..) | Received::Partial)) | Err(_) => {}
            Ok(Err(error)) if error.raw_os_error() == Some(Errno::EINTR as i32) => {}
            Ok(Err(error)) if error.raw_os_error().map(Errno::from_raw).is_some_and(wire::is_shortage) => {
                sleep(AGAIN).await;
            }
            Ok(Ok(Received::Closed) | Err(_)) => break,
        }
    }
    line.close();
}
