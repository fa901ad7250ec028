//! Stopping the container: SIGTERM, a grace period, SIGKILL, and every process reaped.
//!
//! Called by `serve` at the agent's request. It waits for exits and never for the clock alone, so an idle container stops at
//! once.

use std::{
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    libc::{SIGKILL, SIGTERM},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{init::Init, message::Stop, process};
use crate::{Context as _, Result};

/// How long to wait for processes that SIGKILL does not end at once because they are stuck in the kernel.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

impl Init<'_> {
    /// Ends every process of the container, and returns how many had to be killed.
    pub(super) fn stop(&mut self, Stop { grace_ms, main, main_signal }: Stop) -> Result<u32> {
        let deadline = Instant::now() + Duration::from_millis(grace_ms.into());
        if self.main.is_some() {
            return self.stop_main_init(deadline, main_signal);
        }
        let main_pid = self.children.pid_of(main).filter(|_| main_signal != SIGTERM);
        if let Some(pid) = main_pid {
            // The main process ends its own children, until it has exited itself.
            self.children.terminate_others(main);
            let _ = process::signal_group(pid, main_signal);
            self.reap_until(deadline, |init| init.children.pid_of(main).is_none())?;
        }
        self.signal_all(Signal::SIGTERM);
        self.reap_until(deadline, Self::is_alone)?;
        if self.is_alone() {
            return Ok(0);
        }
        self.signal_all(Signal::SIGKILL);
        self.reap_until(Instant::now() + KILL_PATIENCE, Self::is_alone)
    }

    /// Signals the container's init only, as docker does. The kernel ends all other processes with it.
    fn stop_main_init(&mut self, deadline: Instant, signal: i32) -> Result<u32> {
        let send = |this: &Self, signal| this.main.iter().for_each(|init| init.signal(signal));
        send(self, signal);
        self.reap_until(deadline, Self::has_main_init_exited)?;
        let killed = u32::from(!self.has_main_init_exited());
        send(self, SIGKILL);
        self.reap_until(Instant::now() + KILL_PATIENCE, Self::is_alone)?;
        Ok(killed)
    }

    fn has_main_init_exited(&self) -> bool {
        self.main.as_ref().is_none_or(|init| !init.is_alive())
    }

    fn reap_until(&mut self, deadline: Instant, done: impl Fn(&Self) -> bool) -> Result<u32> {
        let mut killed = 0;
        loop {
            killed += self.reap();
            let left = deadline.saturating_duration_since(Instant::now());
            if done(self) || left.is_zero() {
                return Ok(killed);
            }
            let mut fds = [PollFd::new(self.sigchld.as_fd(), PollFlags::POLLIN)];
            // Round up, since a timeout of 0 ms would spin.
            let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            match poll(&mut fds, timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                failed => failed.map(drop).context(|| "poll")?,
            }
        }
    }

    /// Whether no other process is left. All others of its pid namespace are its descendants.
    fn is_alone(&self) -> bool {
        if !self.isolated {
            return self.children.pids().next().is_none();
        }
        process::is_childless()
    }

    fn signal_all(&self, signal: Signal) {
        if self.isolated {
            // For kill(2), -1 is every process of the pid namespace but its init, which is this one.
            let _ = kill(Pid::from_raw(-1), signal);
            return;
        }
        for pid in self.children.pids() {
            let _ = process::signal_group(pid, signal as i32);
        }
    }
}
