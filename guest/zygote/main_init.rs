//! The container's pid 1 if that is the box's main process, from both sides: the process that waits to become it, and the
//! zygote's handle on that process.
//!
//! `clone_init` clones it and calls [`become_main`] in it. `serve` sends it its program through [`MainInit`], and reaps it like any
//! execution. The kernel ends every other process of the container with it (`pid_namespaces(7)`).
#![allow(unsafe_code, reason = "kill(2) with raw signal numbers")]

use std::{
    os::fd::{AsFd as _, AsRawFd, OwnedFd},
    process::exit,
};

use boxlite_proto::v1::StartError;
use nix::{
    libc::{self, SIGKILL},
    sys::socket::{AddressFamily, SockFlag, SockType, socketpair},
    unistd::Pid,
};

use super::{
    inherited,
    message::{Action, Event, Failed, Reply, Request, Spawn, Spawned},
    spawn::turn_into_program,
    wire::{self, Receiver},
};
use crate::{
    Context as _, Error, Kind, Result,
    container::{Accounts, Container},
};

/// Makes the sockets between the zygote and the init. Returns the zygote's end and the init's.
pub(super) fn socket_pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .context(|| "make the socket pair of the container's init")
}

/// Reports to the zygote whether the container is set up, and then waits for the program of the main process.
pub(super) fn become_main(socket: &OwnedFd, container: Result<Container>) -> ! {
    let container = match container.and_then(|container| inherited::prepare().map(|()| container)) {
        Ok(container) => container,
        Err(error) => {
            send(socket, Event::Failed(Failed::of(&error)));
            exit(1)
        }
    };
    send(socket, Event::Ready(true));
    let (mut receiver, mut accounts) = (Receiver::new(), Accounts::default());
    while let Some((Request { action }, fds)) = receiver.whole(socket) {
        let Some(Action::Spawn(spawn)) = action else { continue };
        let request = spawn.request.unwrap_or_default();
        let error = Some(turn_into_program(&container, &mut accounts, &request, fds));
        send(socket, Event::Spawned(Spawned { serial: spawn.serial, pid: 0, error }));
    }
    // The zygote is gone, so nothing can use this container any more.
    exit(0)
}

fn send(socket: &OwnedFd, event: Event) {
    let _ = wire::send(socket.as_fd(), &Reply { event: Some(event) }, &[]);
}

/// The zygote's handle on the init.
#[derive(Debug)]
pub(super) struct MainInit {
    /// In the zygote's own pid namespace.
    pid: Pid,
    /// `None` once it runs the program.
    socket: Option<OwnedFd>,
    alive: bool,
}

impl MainInit {
    /// The init `pid`, to which `socket` leads. Waits until its container is set up.
    pub(super) fn new(pid: Pid, socket: OwnedFd) -> Result<Self> {
        let init = Self { pid, socket: Some(socket), alive: true };
        match init.answer() {
            Some(Event::Ready(_)) => Ok(init),
            Some(Event::Failed(failed)) => Err(failed.error("")),
            _ => Err(Error::new(Kind::System, "the container's init ended while it made the container")),
        }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it waits for its program.
    pub(super) fn is_waiting(&self) -> bool {
        self.socket.is_some() && self.alive
    }

    /// Whether it has executed its program.
    pub(super) fn was_program(&self) -> bool {
        self.socket.is_none()
    }

    /// Whether it has not ended.
    pub(super) fn is_alive(&self) -> bool {
        self.alive
    }

    /// Lets it execute the program of `spawn`.
    pub(super) fn execute(&mut self, spawn: Spawn, fds: &[OwnedFd]) -> Result<(), StartError> {
        let Some(socket) = &self.socket else { return Err(StartError::default()) };
        let raw: Vec<_> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let request = Request { action: Some(Action::Spawn(Box::new(spawn))) };
        // If this fails, the init has exited, which the receive below sees.
        let _ = wire::send(socket.as_fd(), &request, &raw);
        match self.answer() {
            // The socket closes with execve(2).
            None => {
                self.socket = None;
                Ok(())
            }
            Some(Event::Spawned(Spawned { error, .. })) => Err(error.unwrap_or_default()),
            Some(_) => Err(StartError::default()),
        }
    }

    /// Signals it alone. Before it executes its program it reacts to SIGKILL only, so that is sent then.
    pub(super) fn signal(&self, signal: i32) {
        let signal = if self.is_waiting() { SIGKILL } else { signal };
        if self.alive {
            // SAFETY: kill(2) takes two numbers. The init is not reaped yet, so the pid is its own.
            unsafe { libc::kill(self.pid.as_raw(), signal) };
        }
    }

    /// Notes that `pid` was reaped.
    pub(super) fn note_reaped(&mut self, pid: Pid) {
        if pid == self.pid {
            self.alive = false;
        }
    }

    /// Its next message, or `None` once the socket is closed.
    fn answer(&self) -> Option<Event> {
        let (Reply { event }, _) = Receiver::new().whole(self.socket.as_ref()?)?;
        event
    }
}
