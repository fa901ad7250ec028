//! The zygote's loop: it first waits for the request to become the container, and then, as its init, forks executions, reaps
//! every process that exits, and reports to the agent.
//!
//! Runs in the process that `launch` forked; calls `clone_init`, `spawn` and `stop`. It has one thread and makes blocking calls
//! only.

use std::{
    os::fd::{AsFd as _, AsRawFd, OwnedFd},
    process::exit,
    thread,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    poll::PollTimeout,
    sys::stat::Mode,
};

use super::{
    clone_init::{Contained, contain},
    init::{AGAIN, Init},
    main_init::MainInit,
    message::{Action, Event, Reply, Request, Signal, Signalled, Spawn, Spawned},
    spawn::{self, Forked},
    wire::{self, Received, Receiver},
};
use crate::{
    Context as _, Result,
    container::{Container, Rlimits},
};

/// Milliseconds between two looks at processes that were killed. SIGCHLD announces their exits too, but one signal may stand for
/// several.
const LOOK_AGAIN: u8 = 20;

/// Serves the agent until it goes away.
pub(super) fn serve(socket: &OwnedFd) -> ! {
    let mut receiver = Receiver::new();
    let (container, groups, main_init) = loop {
        let Some((Request { action }, _)) = receiver.whole(socket) else { exit(0) };
        match action {
            Some(Action::Contain(request)) => {
                let Contained { container, groups, main_init } = contain(socket, &request);
                break (container, Some(groups), main_init);
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
    match Init::new(socket, container, groups, main_init).and_then(|mut init| init.run(&mut receiver)) {
        Ok(()) => exit(0),
        Err(error) => {
            eprintln!("boxlite-guest: container init: {}", error.chain());
            exit(1)
        }
    }
}

fn uncontained() -> Container {
    let path = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    // Distributions make /dev/ptmx accessible to everybody, and /dev/pts/ptmx to nobody.
    Container { pts: open("/dev", path, Mode::empty()).ok(), proc: None, rlimits: Rlimits::default() }
}

impl Init<'_> {
    fn run(&mut self, receiver: &mut Receiver) -> Result<()> {
        loop {
            let ending = self.children.is_ending();
            let (requested, exited) =
                self.wait(if ending { LOOK_AGAIN.into() } else { PollTimeout::NONE })?;
            if exited || ending {
                self.reap();
            }
            if self.main.as_ref().is_some_and(|init| !init.is_alive() && !init.was_program()) {
                // Nothing can be executed any more. There is no exit to report of a program that never started.
                return Ok(());
            }
            if !requested {
                continue;
            }
            match receiver.receive(self.socket) {
                Ok(Received::Message(Request { action }, fds)) => match action {
                    Some(Action::Spawn(request)) => self.spawn(*request, fds),
                    Some(Action::Signal(signal)) => self.signal(signal),
                    Some(Action::Stop(request)) => {
                        let killed = self.stop(request)?;
                        self.send(Event::Stopped(killed), &[]);
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

    fn spawn(&mut self, spawn: Spawn, fds: Vec<OwnedFd>) {
        if spawn.main && self.main.as_ref().is_some_and(MainInit::is_waiting) {
            self.spawn_main_init(spawn, &fds);
            return;
        }
        let Spawn { serial, alone, request, .. } = spawn;
        let request = request.unwrap_or_default();
        let group = self.children.group();
        let Self { container, accounts, stack, .. } = self;
        match spawn::fork_program(container, accounts, stack, group.as_ref(), &request, fds) {
            Ok(Forked { pid, inner, master }) => {
                self.children.add(pid, serial, group, alone);
                let fds: Vec<_> = master.iter().map(AsRawFd::as_raw_fd).collect();
                let pid = inner.as_raw().unsigned_abs();
                self.send(Event::Spawned(Spawned { serial, pid, error: None }), &fds);
            }
            Err(error) => {
                // The child of a failed start is reaped like any orphan.
                self.children.give_back(group);
                self.send(Event::Spawned(Spawned { serial, pid: 0, error: Some(error) }), &[]);
            }
        }
    }

    /// Lets the container's init become the main process.
    fn spawn_main_init(&mut self, spawn: Spawn, fds: &[OwnedFd]) {
        let Some(init) = &mut self.main else { return };
        let Spawn { serial, alone, .. } = spawn;
        let error = init.execute(spawn, fds).err();
        if error.is_none() {
            self.children.add(init.pid(), serial, None, alone);
        }
        self.send(Event::Spawned(Spawned { serial, pid: 1, error }), &[]);
    }

    fn signal(&mut self, signal: Signal) {
        let (delivered, error) = match self.children.signal(signal) {
            Ok(()) => (true, String::new()),
            Err(Errno::ESRCH) => (false, String::new()),
            Err(errno) => (false, errno.desc().to_owned()),
        };
        self.send(Event::Signalled(Signalled { delivered, error }), &[]);
    }
}
