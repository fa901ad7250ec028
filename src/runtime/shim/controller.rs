//! `ShimController`: spawns `boxlite-shim`, watches it from a thread of its own, and ends it.
//!
//! A thread waits for the process, not SIGCHLD: the program around us (Node) has its own use for that signal.

use std::{
    fs::File,
    io::Write,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use boxlite_spec::InstanceSpec;
use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use tokio::sync::watch;

use super::ShimOutcome;
use crate::{BoxliteError, BoxliteResult, ErrorCode};

/// A running shim. Dropping it ends the shim of an attached box: its standard input closes.
#[derive(Debug)]
pub(crate) struct ShimController {
    pid: u32,
    process: Arc<Mutex<Process>>,
    ended: watch::Receiver<Option<ShimOutcome>>,
    /// The shim reads its end of this pipe; the kernel closes ours when this process dies, however it dies.
    _lifeline: ChildStdin,
}

#[derive(Debug, PartialEq, Eq)]
enum Process {
    Alive,
    /// Its pid may belong to somebody else by now.
    Reaped,
}

impl ShimController {
    /// Starts the shim at `program` and hands it `spec`. Its standard error goes to `log`. Blocking, but short.
    pub(crate) fn spawn(program: &Path, spec: &InstanceSpec, log: &Path) -> BoxliteResult<Self> {
        let stderr = File::create(log).map_err(|error| BoxliteError::io("make log", log, error))?;
        let mut child = Command::new(program)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::from(OwnedFd::from(stderr)))
            .spawn()
            .map_err(|error| failed(program, "it can't be executed").caused_by(error))?;
        let Some(mut lifeline) = child.stdin.take() else {
            return Err(failed(program, "it has no standard input"));
        };
        let mut paper =
            serde_json::to_vec(spec).map_err(|error| failed(program, "no paper").caused_by(error))?;
        paper.push(b'\n');
        // A shim that dies before it reads is found out by its watcher, with a better reason than a broken pipe.
        let _ = lifeline.write_all(&paper);
        let pid = child.id();
        let (tell, ended) = watch::channel(None);
        let process = Arc::new(Mutex::new(Process::Alive));
        watch_over(child, Arc::clone(&process), log.to_owned(), tell)
            .map_err(|error| failed(program, "no thread to watch it").caused_by(error))?;
        Ok(Self { pid, process, ended, _lifeline: lifeline })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The outcome, if the shim has ended.
    pub(crate) fn outcome(&self) -> Option<ShimOutcome> {
        self.ended.borrow().clone()
    }

    /// Waits for the shim's end.
    pub(crate) async fn ended(&self) -> BoxliteResult<ShimOutcome> {
        let mut ended = self.ended.clone();
        let outcome = ended.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        outcome.ok_or_else(|| {
            BoxliteError::new(ErrorCode::Internal, format!("watch shim {}: lost sight of it", self.pid))
        })
    }

    /// Ends the shim at once, and with it the machine.
    pub(crate) fn kill(&self) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if *process == Process::Alive {
            let _ = kill(pid_of(self.pid), Signal::SIGKILL);
        }
    }
}

impl Drop for ShimController {
    fn drop(&mut self) {
        // The closing lifeline is enough for a shim in good health; this is for one that is not.
        self.kill();
    }
}

/// Reaps the shim on a thread. The process is only released under the lock, so [`ShimController::kill`] never meets a
/// recycled pid.
fn watch_over(
    mut child: Child,
    process: Arc<Mutex<Process>>,
    log: PathBuf,
    tell: watch::Sender<Option<ShimOutcome>>,
) -> std::io::Result<()> {
    thread::Builder::new().name(format!("shim-{}", child.id())).stack_size(128 * 1024).spawn(move || {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while let Err(nix::errno::Errno::EINTR) = waitid(Id::Pid(pid_of(child.id())), flags) {}
        let status = {
            let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
            *process = Process::Reaped;
            child.wait()
        };
        if let Ok(status) = status {
            tell.send_replace(Some(ShimOutcome::read(status, &log)));
        }
    })?;
    Ok(())
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed())
}

fn failed(program: &Path, what: &str) -> BoxliteError {
    BoxliteError::new(ErrorCode::EngineFailed, format!("spawn shim `{}`: {what}", program.display()))
}
