//! The zygote's own loop: first waiting for the order to become the container, then, as its init, forking executions,
//! reaping everything that dies, and telling the agent.
//!
//! Runs in the process that `launch` forked; calls `birth` and `spawn`. One thread, blocking calls only.

use std::{
    io::ErrorKind,
    os::fd::{AsFd as _, AsRawFd, OwnedFd},
    process::exit,
    thread,
    time::Duration,
};

use boxlite_proto::v1::{ExecRequest, StartError, start_error};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigHandler, SigSet, SigmaskHow, Signal as Number, sigprocmask},
        signalfd::{SfdFlags, SignalFd},
        stat::Mode,
    },
    unistd::dup2_stdin,
};

use super::{
    birth::{Standing, contain},
    children::Children,
    first::First,
    fork::Nursery,
    message::{Action, Event, NotSpawned, Reply, Request, Signal, Signalled, Spawn, SpawnedEvent},
    process,
    spawn::{self, Forked, NotForked},
    wire::{self, Received, Receiver},
};
use crate::{
    Context as _, Result,
    container::{Container, ExecutionGroups, Rlimits, user::Accounts},
};

/// Milliseconds between looks at processes that were killed; their deaths are signalled too, so this is for the odd one.
const LOOK_AGAIN: u8 = 20;

/// Between two tries while the kernel has no memory for what is asked of it.
const AGAIN: Duration = Duration::from_millis(10);

/// Serves the agent until it goes away.
pub(super) fn serve(socket: &OwnedFd) -> ! {
    let mut receiver = Receiver::new();
    let (container, groups, first) = loop {
        match await_request(socket, &mut receiver).0.action {
            Some(Action::Contain(order)) => {
                let Standing { container, groups, first } = contain(socket, &order);
                break (container, Some(groups), first);
            }
            Some(Action::Uncontained(_)) if cfg!(feature = "testing") => break (uncontained(), None, None),
            Some(Action::Stop(_)) => {
                let _ = wire::send(socket.as_fd(), &Reply { event: Some(Event::Stopped(0)) }, &[]);
            }
            _ => exit(1),
        }
    };
    if groups.is_none() {
        let _ = wire::send(socket.as_fd(), &Reply { event: Some(Event::Ready(true)) }, &[]);
    }
    match Init::new(socket, container, groups, first).and_then(|mut init| init.run(&mut receiver)) {
        Ok(()) => exit(0),
        Err(error) => {
            eprintln!("boxlite-guest: container init: {}", error.chain());
            exit(1)
        }
    }
}

fn await_request(socket: &OwnedFd, receiver: &mut Receiver) -> (Request, Vec<OwnedFd>) {
    loop {
        match receiver.receive(socket) {
            Ok(Received::Message(request, fds)) => return (request, fds),
            Ok(Received::Partial) | Err(Errno::EINTR) => {}
            Ok(Received::Closed) | Err(_) => exit(0),
        }
    }
}

fn uncontained() -> Container {
    let path = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    // Distributions open /dev/ptmx to everybody, /dev/pts/ptmx to nobody.
    Container { pts: open("/dev", path, Mode::empty()).ok(), proc: None, rlimits: Rlimits::default() }
}

/// The container's init at work, or what serves in its place.
pub(super) struct Init<'a> {
    socket: &'a OwnedFd,
    container: Container,
    /// The container's init where it is another process: the main one.
    pub(super) first: Option<First>,
    /// False in tests on the host: then only its own children are its to signal.
    pub(super) isolated: bool,
    pub(super) children_died: SignalFd,
    pub(super) children: Children,
    nursery: Nursery,
    accounts: Accounts,
}

impl<'a> Init<'a> {
    fn new(
        socket: &'a OwnedFd,
        container: Container,
        groups: Option<ExecutionGroups>,
        first: Option<First>,
    ) -> Result<Self> {
        settle()?;
        let mut mask = SigSet::empty();
        mask.add(Number::SIGCHLD);
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&mask), None).context(|| "block SIGCHLD")?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let children_died = SignalFd::with_flags(&mask, flags).context(|| "make a signalfd")?;
        let isolated = groups.is_some();
        let nursery = Nursery::new().context(|| "map a stack for children")?;
        let (children, accounts) = (Children::new(groups), Accounts::default());
        Ok(Self { socket, container, first, isolated, children_died, children, nursery, accounts })
    }

    fn run(&mut self, receiver: &mut Receiver) -> Result<()> {
        loop {
            let ending = self.children.is_ending();
            let (asked, died) = self.wait(if ending { LOOK_AGAIN.into() } else { PollTimeout::NONE })?;
            if died || ending {
                self.reap();
            }
            if self.first.as_ref().is_some_and(|first| !first.is_alive() && !first.was_program()) {
                // Nothing can be executed any more, and nobody is told of the end of what never began.
                return Ok(());
            }
            if !asked {
                continue;
            }
            match receiver.receive(self.socket) {
                Ok(Received::Message(Request { action }, fds)) => match action {
                    Some(Action::Spawn(order)) => self.spawn(*order, fds),
                    Some(Action::Signal(order)) => self.signal(order),
                    Some(Action::Stop(order)) => {
                        let killed = self.stop(order)?;
                        self.tell(Event::Stopped(killed), &[]);
                        return Ok(());
                    }
                    _ => {}
                },
                Ok(Received::Partial) | Err(Errno::EINTR) => {}
                Err(errno) if wire::is_shortage(errno) => thread::sleep(AGAIN),
                Ok(Received::Closed) => return Ok(()),
                Err(errno) => return Err(errno).context(|| "receive from the agent"),
            }
        }
    }

    /// Waits until the agent asks for something or a child has died.
    fn wait(&self, timeout: PollTimeout) -> Result<(bool, bool)> {
        let mut fds = [
            PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.children_died.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, timeout) {
            Err(Errno::EINTR) => return Ok((false, false)),
            Err(errno) if errno == Errno::EAGAIN || wire::is_shortage(errno) => {
                thread::sleep(AGAIN);
                return Ok((false, true));
            }
            polled => polled.context(|| "poll")?,
        };
        let [asked, died] = fds.map(|fd| fd.any().unwrap_or(true));
        Ok((asked, died))
    }

    fn spawn(&mut self, order: Spawn, fds: Vec<OwnedFd>) {
        if order.main && self.first.as_ref().is_some_and(First::is_waiting) {
            self.spawn_first(order, &fds);
            return;
        }
        let (serial, alone) = (order.serial, order.alone);
        let request = order.request.unwrap_or_default();
        let group = self.children.group();
        let Self { container, accounts, nursery, .. } = self;
        match spawn::fork_program(container, accounts, nursery, group.as_ref(), &request, fds) {
            Ok(Forked { pid, inner, master }) => {
                self.children.add(pid, serial, group, alone);
                let fds: Vec<_> = master.iter().map(AsRawFd::as_raw_fd).collect();
                self.tell(Event::Spawned(SpawnedEvent { serial, pid: inner.as_raw().unsigned_abs() }), &fds);
            }
            Err(failure) => {
                // A child that failed is reaped like any orphan.
                self.children.give_back(group);
                let error = Some(match failure {
                    NotForked::Childless(error) => start_failure(&request, &error),
                    NotForked::Failed(error) => error,
                });
                self.tell(Event::NotSpawned(NotSpawned { serial, error }), &[]);
            }
        }
    }

    /// Lets the container's init become the main process.
    fn spawn_first(&mut self, order: Spawn, fds: &[OwnedFd]) {
        let Some(first) = &mut self.first else { return };
        let (serial, alone) = (order.serial, order.alone);
        let event = match first.become_program(order, fds) {
            Ok(()) => {
                self.children.add(first.pid(), serial, None, alone);
                Event::Spawned(SpawnedEvent { serial, pid: 1 })
            }
            Err(error) => Event::NotSpawned(NotSpawned { serial, error: Some(error) }),
        };
        self.tell(event, &[]);
    }

    fn signal(&mut self, order: Signal) {
        let serial = order.serial;
        let (delivered, error) = match self.children.signal(order) {
            Ok(()) => (true, String::new()),
            Err(Errno::ESRCH) => (false, String::new()),
            Err(errno) => (false, errno.desc().to_owned()),
        };
        self.tell(Event::Signalled(Signalled { serial, delivered, error }), &[]);
    }

    /// Reaps whatever has died: executions, and orphans of theirs that became this process's children.
    pub(super) fn reap(&mut self) -> u32 {
        // One signal may stand for many deaths, so its contents say nothing.
        while matches!(self.children_died.read_signal(), Ok(Some(_))) {}
        let mut killed = 0;
        while let Some(death) = process::reap_one() {
            killed += u32::from(death.signal == Number::SIGKILL as i32);
            if let Some(first) = &mut self.first {
                first.note_death(death.pid);
            }
            if let Some(exited) = self.children.died(death) {
                self.tell(Event::Exited(exited), &[]);
            }
        }
        for exited in self.children.ended() {
            self.tell(Event::Exited(exited), &[]);
        }
        killed
    }

    /// If the agent is gone the machine is ending; nobody is left to hear.
    fn tell(&self, event: Event, fds: &[std::os::fd::RawFd]) {
        let _ = wire::send(self.socket.as_fd(), &Reply { event: Some(event) }, fds);
    }
}

/// What programs are to inherit of this process, once the container's root is its own.
pub(super) fn settle() -> Result<()> {
    let null =
        open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).context(|| "open /dev/null")?;
    // What executions without input inherit.
    dup2_stdin(&null).context(|| "make /dev/null the standard input")?;
    restore_sigpipe()
}

/// Rust ignores SIGPIPE, and programs would inherit that.
#[allow(unsafe_code, reason = "signal(2)")]
fn restore_sigpipe() -> Result<()> {
    // SAFETY: the default action is installed, no handler.
    unsafe { nix::sys::signal::signal(Number::SIGPIPE, SigHandler::SigDfl) }
        .map(drop)
        .context(|| "restore SIGPIPE")
}

fn start_failure(request: &ExecRequest, error: &std::io::Error) -> StartError {
    let kind = match error.kind() {
        ErrorKind::InvalidInput => start_error::Kind::Invalid,
        ErrorKind::WouldBlock | ErrorKind::OutOfMemory | ErrorKind::QuotaExceeded => {
            start_error::Kind::ResourceExhausted
        }
        _ => start_error::Kind::Other,
    };
    StartError { kind: kind.into(), message: format!("start {:?}: {error}", request.command) }
}
