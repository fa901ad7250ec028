//! `ShimController`: a box's shim, spawned by this process or joined; told of its end, and able to end it.
//!
//! A thread waits for a shim that we spawned, not SIGCHLD: the program around us (Node) has its own use for that
//! signal. A shim that another process spawned is watched through its pidfd.

use std::{
    fs::File,
    io::Write,
    os::fd::OwnedFd,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use boxlite_spec::{InstanceSpec, ShimIdentity};
use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use tokio::sync::watch;

use super::{
    ShimOutcome,
    process::{ShimProcess, identity_of},
};
use crate::{BoxliteError, BoxliteResult, ErrorCode};

/// A running shim. Dropping the controller ends the shim, unless it was joined or [let go](Self::let_go).
#[derive(Debug)]
pub(crate) struct ShimController {
    identity: ShimIdentity,
    reach: Reach,
    ended: watch::Receiver<Option<ShimOutcome>>,
}

/// How the shim can be signalled.
#[derive(Debug)]
enum Reach {
    Child {
        process: Arc<Mutex<Process>>,
        /// The shim reads its end of this pipe; the kernel closes ours when this process dies, however it dies.
        lifeline: Option<ChildStdin>,
        /// Whether it ends with this controller.
        ours: bool,
    },
    Joined(Arc<ShimProcess>),
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
        let words = File::open(log).map_err(|error| BoxliteError::io("open log", log, error))?;
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
        // Nobody else reaps it, so this is what the shim will say of itself.
        let identity = identity_of(child.id()).ok_or_else(|| failed(program, "/proc does not tell of it"))?;
        let (tell, ended) = watch::channel(None);
        let process = Arc::new(Mutex::new(Process::Alive));
        watch_over(child, Arc::clone(&process), words, tell)
            .map_err(|error| failed(program, "no thread to watch it").caused_by(error))?;
        Ok(Self { identity, reach: Reach::Child { process, lifeline: Some(lifeline), ours: true }, ended })
    }

    /// Joins a shim that another process started; what it says at its end is read from `log`, which is open from now on: a box
    /// that is removed with its end takes the file's name.
    pub(crate) fn join(process: ShimProcess, log: &Path) -> Self {
        let words = File::open(log).ok();
        let identity = process.identity;
        let process = Arc::new(process);
        let (tell, ended) = watch::channel(None);
        let watched = Arc::clone(&process);
        tokio::spawn(async move {
            // Without anybody to tell, the shim is let alone.
            tokio::select! {
                end = watched.ended() => if end.is_ok() {
                    tell.send_replace(Some(ShimOutcome::read(None, words.as_ref())));
                },
                () = tell.closed() => {}
            }
        });
        Self { identity, reach: Reach::Joined(process), ended }
    }

    pub(crate) fn identity(&self) -> ShimIdentity {
        self.identity
    }

    /// Whether the shim ends with this process.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.reach, Reach::Child { ours: true, .. })
    }

    /// From now on, the shim of a detached box lives on its own.
    pub(crate) fn let_go(&mut self) {
        if let Reach::Child { lifeline, ours, .. } = &mut self.reach {
            *lifeline = None;
            *ours = false;
        }
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
            BoxliteError::new(
                ErrorCode::Internal,
                format!("watch shim {}: lost sight of it", self.identity.pid),
            )
        })
    }

    /// Ends the shim at once, and with it the machine.
    pub(crate) fn kill(&self) {
        match &self.reach {
            Reach::Child { process, .. } => {
                let process = process.lock().unwrap_or_else(PoisonError::into_inner);
                if *process == Process::Alive {
                    let _ = kill(pid_of(self.identity.pid), Signal::SIGKILL);
                }
            }
            Reach::Joined(process) => process.kill(),
        }
    }
}

impl Drop for ShimController {
    fn drop(&mut self) {
        // The closing lifeline is enough for a shim in good health; this is for one that is not.
        if self.is_ours() {
            self.kill();
        }
    }
}

/// Reaps the shim on a thread. The process is only released under the lock, so [`ShimController::kill`] never meets a
/// recycled pid.
fn watch_over(
    mut child: Child,
    process: Arc<Mutex<Process>>,
    words: File,
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
            tell.send_replace(Some(ShimOutcome::read(Some(status), Some(&words))));
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
