//! The process that serves executions: the container's init, or the zygote in its place. Its state, and how it waits and reaps.
//!
//! Created by `serve`, which runs it; `stop` ends the container with it.

use std::{
    os::fd::{AsFd as _, OwnedFd, RawFd},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, SigmaskHow, Signal, sigprocmask},
        signalfd::{SfdFlags, SignalFd},
    },
};

use super::{
    children::Children,
    fork::VforkStack,
    inherited,
    main_init::MainInit,
    message::{Event, Reply},
    process, wire,
};
use crate::{
    Context as _, Result,
    container::{Accounts, Container, ExecutionGroups},
};

/// Time between two tries while the kernel has no memory.
pub(super) const AGAIN: Duration = Duration::from_millis(10);

/// The state of the process that serves executions.
pub(super) struct Init<'a> {
    pub(super) socket: &'a OwnedFd,
    pub(super) container: Container,
    /// The container's init if it is another process: the main one.
    pub(super) main: Option<MainInit>,
    /// False in tests on the host, where it may signal only its own children.
    pub(super) isolated: bool,
    pub(super) sigchld: SignalFd,
    pub(super) children: Children,
    pub(super) stack: VforkStack,
    pub(super) accounts: Accounts,
}

impl<'a> Init<'a> {
    pub(super) fn new(
        socket: &'a OwnedFd,
        container: Container,
        groups: Option<ExecutionGroups>,
        main: Option<MainInit>,
    ) -> Result<Self> {
        inherited::prepare()?;
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&mask), None).context(|| "block SIGCHLD")?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let sigchld = SignalFd::with_flags(&mask, flags).context(|| "make a signalfd")?;
        let isolated = groups.is_some();
        let stack = VforkStack::new().context(|| "map a stack for children")?;
        let (children, accounts) = (Children::new(groups), Accounts::default());
        Ok(Self { socket, container, main, isolated, sigchld, children, stack, accounts })
    }

    /// Waits until the agent sends a request or a child has exited, and returns which of the two happened.
    pub(super) fn wait(&self, timeout: PollTimeout) -> Result<(bool, bool)> {
        let mut fds = [
            PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.sigchld.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, timeout) {
            Err(Errno::EINTR) => return Ok((false, false)),
            Err(errno) if errno == Errno::EAGAIN || wire::is_shortage(errno) => {
                thread::sleep(AGAIN);
                return Ok((false, true));
            }
            polled => polled.context(|| "poll")?,
        };
        let [requested, exited] = fds.map(|fd| fd.any().unwrap_or(true));
        Ok((requested, exited))
    }

    /// Reaps every process that has exited: executions, and orphans of theirs that became this process's children. Returns how
    /// many of them were killed.
    pub(super) fn reap(&mut self) -> u32 {
        // One signal may stand for many exits, so its contents say nothing.
        while matches!(self.sigchld.read_signal(), Ok(Some(_))) {}
        let mut killed = 0;
        while let Some(reaped) = process::reap_one() {
            killed += u32::from(reaped.signal == Signal::SIGKILL as i32);
            if let Some(init) = &mut self.main {
                init.note_reaped(reaped.pid);
            }
            if let Some(exited) = self.children.note_reaped(reaped) {
                self.send(Event::Exited(exited), &[]);
            }
        }
        for exited in self.children.ended() {
            self.send(Event::Exited(exited), &[]);
        }
        killed
    }

    /// Sends `event` to the agent. A failure is ignored: it means that the agent is gone, which ends the machine.
    pub(super) fn send(&self, event: Event, fds: &[RawFd]) {
        let _ = wire::send(self.socket.as_fd(), &Reply { event: Some(event) }, fds);
    }
}
