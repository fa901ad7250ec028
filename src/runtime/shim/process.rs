//! `ShimStatus` and `ShimProcess`: the shim of a box, which any process may have started. It is known by the lock that it holds and the
//! identity in it, and is watched and signalled through a pidfd, so that a recycled pid is never meant.

#![allow(unsafe_code, reason = "tokio asks for a promise about a descriptor that it watches")]

use std::{
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    path::Path,
    process::ExitStatus,
    time::Duration,
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, resource_limits};
use boxlite_spec::ShimIdentity;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::{Instant, sleep, timeout},
};

use crate::state::lock;

/// How long an ending shim, or a QEMU whose shim was killed, may keep the box's disk.
const EXIT: Duration = Duration::from_secs(5);

/// What to do about a process that was killed and stays.
const KERNEL_WAITS: &str =
    "the kernel waits for something in its name, most often a disk or a network file system that hangs";

/// What failures of that call themselves.
const LOOK: &str = "look for the shim of a box";

/// Whether a box has a shim now.
#[derive(Debug)]
pub(crate) enum ShimStatus {
    /// Nobody holds its lock: no machine runs, whatever else is on disk.
    Absent,
    /// The shim that the lock's file names lives.
    Alive(ShimProcess),
    /// The lock is held, and its holder can't be identified: it has not written its name yet, its engine is about to exit
    /// after it, or it lives in another pid namespace.
    Unidentified(Option<ShimIdentity>),
}

impl ShimStatus {
    /// Examines the lock at `path`. Blocking.
    ///
    /// # Errors
    /// `STORAGE_IO` if the lock can't be examined; `ENGINE_FAILED` if the kernel gives no pidfd.
    pub(crate) fn of(path: &Path) -> BoxliteResult<Self> {
        if !lock::is_held(path)? {
            return Ok(Self::Absent);
        }
        let text = match fs::read(path) {
            Ok(text) => String::from_utf8(text).unwrap_or_default(),
            // It went with its box, between the two looks.
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(BoxliteError::io("read lock", path, error)),
        };
        let identity = text.parse().ok();
        match identity.map(ShimProcess::find).transpose() {
            Ok(Some(Some(process))) => Ok(Self::Alive(process)),
            Ok(_) => Ok(Self::Unidentified(identity)),
            Err(error) => {
                Err(BoxliteError::new(ErrorCode::EngineFailed, format!("{LOOK}: the kernel gives no pidfd"))
                    .caused_by(error)
                    .hint("boxes of other processes need Linux 5.3 or newer, and pidfd_open(2) allowed"))
            }
        }
    }

    /// Examines the lock until it is free or its holder is identified.
    ///
    /// # Errors
    /// As [`of`](Self::of); `BOX_STATE` if its holder stays unidentified for 5 s.
    pub(crate) async fn settled(path: &Path) -> BoxliteResult<Self> {
        let end = Instant::now() + EXIT;
        loop {
            match Self::of(path)? {
                Self::Unidentified(identity) if Instant::now() > end => {
                    return Err(Self::unidentified(identity));
                }
                Self::Unidentified(_) => sleep(Duration::from_millis(5)).await,
                seen => return Ok(seen),
            }
        }
    }

    /// The error for the engine of a shim that was killed, if it keeps the lock.
    pub(crate) fn engine_not_ended(shim: Option<ShimIdentity>) -> BoxliteError {
        let shim = shim.map_or("unknown".to_owned(), |identity| identity.pid.to_string());
        let message = format!(
            "end the machine of a box: its shim, process {shim}, was killed, and the engine is still there"
        );
        BoxliteError::new(ErrorCode::BoxState, message).hint(KERNEL_WAITS)
    }

    /// The error for a holder that stays unidentified.
    pub(crate) fn unidentified(identity: Option<ShimIdentity>) -> BoxliteError {
        let who = identity.map_or("unknown".to_owned(), |identity| identity.pid.to_string());
        BoxliteError::new(
            ErrorCode::BoxState,
            format!("{LOOK}: its lock is held, and its holder (pid {who}) can't be seen"),
        )
        .hint("it may run in another container that shares this home: use the box there, or end it there")
    }
}

/// A shim that lives, or lived a moment ago.
#[derive(Debug)]
pub(crate) struct ShimProcess {
    pub(crate) identity: ShimIdentity,
    pidfd: OwnedFd,
}

impl ShimProcess {
    /// The process of this identity. Returns `None` if it is gone.
    fn find(identity: ShimIdentity) -> io::Result<Option<Self>> {
        match Self::of(identity.pid) {
            // The descriptor came first: if the pid has this start time now, it is this process for good. One that ended and
            // was not reaped yet has it too.
            Ok(process) if process.identity == identity && !process.ended_in(Duration::ZERO)? => {
                Ok(Some(process))
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(None),
        }
    }

    /// The process `pid`, such as a shim that this process has just started. Where children are not waited for, because SIGCHLD is
    /// ignored, one that ended at once may be `NotFound`.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
        let pidfd = pidfd_open(number, PidfdFlags::empty())
            .map_err(|errno| if errno == rustix::io::Errno::SRCH { gone() } else { errno.into() })?;
        let identity = identity_of(pid)?.ok_or_else(gone)?;
        Ok(Self { identity, pidfd })
    }

    /// Reaps a child that has ended, and returns its status. Returns `None` if somebody else reaped it, or if children need no reaping.
    pub(crate) fn reap(&self) -> Option<ExitStatus> {
        let waited = loop {
            match waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED) {
                Err(rustix::io::Errno::INTR) => {}
                waited => break waited.ok().flatten()?,
            }
        };
        // As wait(2) has them.
        let code = waited.exit_status().map(|code| code << 8);
        code.or(waited.terminating_signal()).map(ExitStatus::from_raw)
    }

    /// Whether it ends within `limit`; blocks until then. A pidfd is readable once its process has ended, see `pidfd_open(2)`.
    pub(crate) fn ended_in(&self, limit: Duration) -> io::Result<bool> {
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        loop {
            match poll(&mut [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)], limit) {
                Err(nix::errno::Errno::EINTR) => {}
                ended => return Ok(ended? > 0),
            }
        }
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Makes it read its deadline again.
    pub(crate) fn amend(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::USR1);
    }

    /// What is readable once it has ended. Call it on a thread of tokio's.
    pub(crate) fn end_watch(&self) -> io::Result<AsyncFd<OwnedFd>> {
        let pidfd = self.pidfd.try_clone()?;
        // SAFETY: the descriptor is owned by the value that is registered, and stays the same until that is dropped.
        let pidfd = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) };
        pidfd.map_err(io::Error::from)
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> io::Result<()> {
        self.end_watch()?.readable().await.map(drop)
    }

    /// Kills it and waits until it is gone.
    pub(crate) async fn end(&self, limit: Duration) -> BoxliteResult<()> {
        self.kill();
        match timeout(limit, self.ended()).await {
            Ok(ended) => ended.map_err(|error| {
                let pid = self.identity.pid;
                BoxliteError::new(ErrorCode::Internal, format!("watch shim {pid}")).caused_by(error)
            }),
            Err(_) => Err(self.not_ended()),
        }
    }

    /// The error for a shim that was killed and is still there.
    pub(crate) fn not_ended(&self) -> BoxliteError {
        let pid = self.identity.pid;
        BoxliteError::new(
            ErrorCode::BoxState,
            format!("end the shim of a box: process {pid} was killed and is still there"),
        )
        .hint(KERNEL_WAITS)
    }
}

/// Who process `pid` is now. Returns `None` if there is none.
pub(crate) fn identity_of(pid: u32) -> io::Result<Option<ShimIdentity>> {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => Ok(ShimIdentity::from_stat(pid, &String::from_utf8_lossy(&stat))),
        // That this process may open no more files does not mean that the other one is gone.
        Err(error) if resource_limits::caused(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, process::Command};

    use super::*;

    fn holder(name: &str) -> (tempfile::TempDir, std::path::PathBuf, File) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shim.lock");
        fs::write(&path, name).unwrap();
        let file = File::open(&path).unwrap();
        file.lock().unwrap();
        (dir, path, file)
    }

    #[test]
    fn a_free_lock_is_nobodys_whatever_its_file_says() {
        let (_dir, path, file) = holder(&format!("{}\n", identity_of(std::process::id()).unwrap().unwrap()));
        assert!(matches!(ShimStatus::of(&path).unwrap(), ShimStatus::Alive(_)));
        // Not only closed: a process that another test is forking off may have the file too.
        file.unlock().unwrap();
        assert!(matches!(ShimStatus::of(&path).unwrap(), ShimStatus::Absent));
    }

    #[test]
    fn a_pid_of_another_start_is_another_process() {
        let mut mine = identity_of(std::process::id()).unwrap().unwrap();
        mine.start_time += 1;
        let (_dir, path, _file) = holder(&format!("{mine}\n"));
        assert!(matches!(ShimStatus::of(&path).unwrap(), ShimStatus::Unidentified(Some(_))));
    }

    #[tokio::test]
    async fn an_end_is_seen_without_being_its_parent() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = ShimProcess::find(identity_of(child.id()).unwrap().unwrap()).unwrap().unwrap();
        process.kill();
        process.ended().await.unwrap();
        // Not reaped yet, and no longer there all the same.
        assert!(ShimProcess::find(process.identity).unwrap().is_none());
        child.wait().unwrap();
        assert!(ShimProcess::find(process.identity).unwrap().is_none());
    }
}
