//! The container's pid 1 where that is the box's main process, from both sides: the process that waits to become it, and the
//! zygote's hold on that process.
//!
//! `birth` clones it and calls [`become_main`] in it; `serve` hands it the order through [`First`], and hears of its end as of any
//! execution's. The kernel ends every other process of the container with it (`pid_namespaces(7)`).
#![allow(unsafe_code, reason = "kill(2) with raw signal numbers")]

use std::{
    os::fd::{AsFd as _, AsRawFd, OwnedFd},
    process::exit,
};

use boxlite_proto::v1::StartError;
use nix::{
    errno::Errno,
    libc::{self, SIGKILL},
    sys::socket::{AddressFamily, SockFlag, SockType, socketpair},
    unistd::Pid,
};

use super::{
    message::{Action, Event, Failed, NotSpawned, Reply, Request, Spawn},
    serve::settle,
    spawn::turn_into_program,
    wire::{self, Received, Receiver},
};
use crate::{
    Context as _, Error, Kind, Result,
    container::{Container, user::Accounts},
};

/// Both ends of the line to a pid 1: the zygote's, and its own.
pub(super) fn line() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .context(|| "make the line to the container's init")
}

/// Tells the zygote whether the container stands, and then waits for the order to become the main process.
pub(super) fn become_main(line: &OwnedFd, container: Result<Container>) -> ! {
    let stands = container.and_then(|container| settle().map(|()| container));
    let container = match stands {
        Ok(container) => container,
        Err(error) => {
            tell(line, Event::Failed(Failed::of(&error)));
            exit(1)
        }
    };
    tell(line, Event::Ready(true));
    let (mut receiver, mut accounts) = (Receiver::new(), Accounts::default());
    loop {
        match receiver.receive(line) {
            Ok(Received::Message(Request { action: Some(Action::Spawn(order)) }, fds)) => {
                let request = order.request.unwrap_or_default();
                let error = Some(turn_into_program(&container, &mut accounts, &request, fds));
                tell(line, Event::NotSpawned(NotSpawned { serial: order.serial, error }));
            }
            Ok(Received::Message(..) | Received::Partial) | Err(Errno::EINTR) => {}
            // The zygote is gone, and with it whoever could use this container.
            Ok(Received::Closed) | Err(_) => exit(0),
        }
    }
}

fn tell(line: &OwnedFd, event: Event) {
    let _ = wire::send(line.as_fd(), &Reply { event: Some(event) }, &[]);
}

/// A pid 1, as the zygote has it.
#[derive(Debug)]
pub(super) struct First {
    /// In the zygote's own pid namespace.
    pid: Pid,
    /// `None` once it is the program, or gone.
    line: Option<OwnedFd>,
    alive: bool,
}

impl First {
    /// Takes up the line to the process `pid`, and waits until its container stands.
    pub(super) fn new(pid: Pid, line: OwnedFd) -> Result<Self> {
        let first = Self { pid, line: Some(line), alive: true };
        match first.answer() {
            Some(Event::Ready(_)) => Ok(first),
            Some(Event::Failed(Failed { message, invalid })) => {
                Err(Error::new(if invalid { Kind::Invalid } else { Kind::System }, message))
            }
            _ => Err(Error::new(Kind::System, "the container's init ended while it made the container")),
        }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it waits for its program.
    pub(super) fn is_waiting(&self) -> bool {
        self.line.is_some() && self.alive
    }

    /// Whether it became its program.
    pub(super) fn was_program(&self) -> bool {
        self.line.is_none()
    }

    /// Whether it has not ended.
    pub(super) fn is_alive(&self) -> bool {
        self.alive
    }

    /// Lets it become the program of `order`.
    pub(super) fn become_program(&mut self, order: Spawn, fds: &[OwnedFd]) -> Result<(), StartError> {
        let Some(line) = &self.line else { return Err(StartError::default()) };
        let raw: Vec<_> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let request = Request { action: Some(Action::Spawn(Box::new(order))) };
        // Where this fails it has ended, which is the next thing that is seen.
        let _ = wire::send(line.as_fd(), &request, &raw);
        match self.answer() {
            // The line closes with execve(2).
            None => {
                self.line = None;
                Ok(())
            }
            Some(Event::NotSpawned(NotSpawned { error, .. })) => Err(error.unwrap_or_default()),
            Some(_) => Err(StartError::default()),
        }
    }

    /// Signals it alone; one that has not become its program yet heeds SIGKILL only.
    pub(super) fn signal(&self, signal: i32) {
        let signal = if self.is_waiting() { SIGKILL } else { signal };
        if self.alive {
            // SAFETY: kill(2) takes two numbers; it is not reaped yet, so the number is its own.
            unsafe { libc::kill(self.pid.as_raw(), signal) };
        }
    }

    /// Notes that `pid` was reaped.
    pub(super) fn note_death(&mut self, pid: Pid) {
        if pid == self.pid {
            self.alive = false;
        }
    }

    /// What it says next; `None` at the line's end.
    fn answer(&self) -> Option<Event> {
        let line = self.line.as_ref()?;
        let mut receiver = Receiver::new();
        loop {
            match receiver.receive::<Reply>(line) {
                Ok(Received::Message(reply, _)) => return reply.event,
                Ok(Received::Partial) | Err(Errno::EINTR) => {}
                Ok(Received::Closed) | Err(_) => return None,
            }
        }
    }
}
