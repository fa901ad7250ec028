//! `ShimController`: a box's shim, which this process spawned or joined. It learns of the shim's end, and can end it.
//!
//! A shim is watched and signalled through its pidfd, never by its pid, which may belong to another process by then, nor by SIGCHLD:
//! the program around us has its own use for that signal, or ignores it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::OwnedFd,
        unix::{fs::OpenOptionsExt, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_spec::{InstanceSpec, ShimIdentity};
use tokio::{io::unix::AsyncFd, sync::watch, time::timeout};

use crate::{
    shim::{
        environment,
        outcome::{self, ShimOutcome},
        process::ShimProcess,
    },
    state::modes,
};

/// A running shim. Dropping the controller ends the shim, unless it was joined or [detached](Self::detach).
#[derive(Debug)]
pub(crate) struct ShimController {
    process: Arc<ShimProcess>,
    /// The shim reads its end of this pipe; the kernel closes ours when this process exits, for whatever reason. `None` if the shim does
    /// not end with this controller.
    lifeline: Option<ChildStdin>,
    /// Its standard error.
    log: PathBuf,
    /// The same file, opened when the shim started: if the box is removed with its end, the file loses its name.
    stderr: Option<Arc<File>>,
    ended: watch::Receiver<Option<ShimOutcome>>,
}

impl ShimController {
    /// Starts the shim at `program` with the box's folder as its working directory, and sends it `spec`. Its standard error goes to
    /// `log`. Blocking; call it on a thread of tokio's.
    ///
    /// # Errors
    /// `STORAGE_IO` if the log can't be made; `ENGINE_FAILED` if the shim can't be started.
    pub(crate) fn spawn(
        program: &Path,
        spec: &InstanceSpec,
        folder: &Path,
        log: &Path,
    ) -> BoxliteResult<Self> {
        let (writer, stderr) = make_log(log).map_err(|error| BoxliteError::io("make log", log, error))?;
        let mut line = serde_json::to_vec(spec)
            .map_err(|error| failed(program, "its spec can't be written").caused_by(error))?;
        line.push(b'\n');
        let mut command = Command::new(program);
        // Seen in a list of processes, it says which box it is.
        command.arg0(format!("boxlite-shim {}", folder.display()));
        let mut child = environment::reduce(&mut command)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::from(OwnedFd::from(writer)))
            .spawn()
            .map_err(|error| failed(program, "it can't be executed").caused_by(error))?;
        let process = ShimProcess::of(child.id()).map_err(|error| {
            let _ = child.kill().and_then(|()| child.wait());
            failed(program, "the kernel gives no pidfd for it")
                .caused_by(error)
                .hint("boxes need Linux 5.4 or newer, and pidfd_open(2) allowed")
        })?;
        let end = process.end_watch().map_err(|error| {
            let _ = child.kill().and_then(|()| child.wait());
            failed(program, "its end can't be watched").caused_by(error)
        })?;
        let mut lifeline = child.stdin.take();
        if let Some(lifeline) = &mut lifeline {
            // If the shim ends before it reads, its watcher reports that with a better reason than a broken pipe.
            let _ = lifeline.write_all(&line);
        }
        Ok(Self::watch(process, end, lifeline, log, Some(stderr)))
    }

    /// Joins a shim that another process started; its report is read from `log` when it ends. Call it on a thread of tokio's.
    ///
    /// # Errors
    /// `HOST_LIMIT` if this process may open no more files.
    pub(crate) fn join(process: ShimProcess, log: &Path) -> BoxliteResult<Self> {
        let stderr = outcome::open_log(log)?;
        let end = process.end_watch().map_err(|error| {
            let message = format!("watch shim {}: its end can't be watched", process.identity.pid);
            BoxliteError::new(ErrorCode::Internal, message).caused_by(error)
        })?;
        Ok(Self::watch(process, end, None, log, stderr))
    }

    /// Waits for the shim's end in a task, which reaps it if it is a child of this process.
    fn watch(
        process: ShimProcess,
        end: AsyncFd<OwnedFd>,
        lifeline: Option<ChildStdin>,
        log: &Path,
        stderr: Option<File>,
    ) -> Self {
        let (process, stderr, is_child) = (Arc::new(process), stderr.map(Arc::new), lifeline.is_some());
        let (outcome, ended) = watch::channel(None);
        let (watched, report) = (Arc::clone(&process), stderr.clone());
        tokio::spawn(async move {
            tokio::select! {
                ended = end.readable() => if ended.is_ok() {
                    let status = if is_child { watched.reap() } else { None };
                    outcome.send_replace(Some(ShimOutcome::read(status, report.as_deref())));
                },
                // A child is reaped even if the controller is dropped before.
                () = outcome.closed(), if !is_child => {}
            }
        });
        Self { process, lifeline, log: log.to_owned(), stderr, ended }
    }

    pub(crate) fn identity(&self) -> ShimIdentity {
        self.process.identity
    }

    /// Whether the shim ends with this process.
    pub(crate) fn is_ours(&self) -> bool {
        self.lifeline.is_some()
    }

    /// From now on the shim of a detached box does not end with this process.
    pub(crate) fn detach(&mut self) {
        self.lifeline = None;
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
            let message = format!("watch shim {}: lost sight of it", self.identity().pid);
            BoxliteError::new(ErrorCode::Internal, message)
        })
    }

    /// [`ended`](Self::ended) for a shim that was killed: the kernel may keep it for as long as a disk hangs.
    ///
    /// # Errors
    /// `BOX_STATE` if it is still there after `limit`.
    pub(crate) async fn ended_within(&self, limit: Duration) -> BoxliteResult<ShimOutcome> {
        timeout(limit, self.ended()).await.unwrap_or_else(|_| Err(self.process.not_ended()))
    }

    /// The outcome as the log has it now: whoever removed the box with its machine may have added a report to the shim's own.
    pub(crate) fn final_outcome(&self) -> ShimOutcome {
        ShimOutcome::read(self.outcome().and_then(|outcome| outcome.status()), self.stderr.as_deref())
    }

    /// Ends the shim at once, and with it the machine.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// The same because the end of the box was requested: the log says so, so that no process takes it for a failure.
    pub(crate) fn kill_on_request(&self, why: &str) {
        outcome::report_request(&self.log, why);
        self.kill();
    }

    /// Has the shim read its deadline again.
    pub(crate) fn amend(&self) {
        self.process.amend();
    }
}

impl Drop for ShimController {
    fn drop(&mut self) {
        // The closing lifeline ends a shim that works; this ends one that hangs.
        if self.is_ours() {
            self.kill();
        }
    }
}

/// Makes the file, to which several processes may append. Returns it opened for writing and for reading.
fn make_log(path: &Path) -> io::Result<(File, File)> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().append(true).create_new(true).mode(modes::FILE).open(path)?;
    modes::set_file(&file)?;
    Ok((file, File::open(path)?))
}

fn failed(program: &Path, what: &str) -> BoxliteError {
    BoxliteError::new(ErrorCode::EngineFailed, format!("spawn shim `{}`: {what}", program.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use boxlite_spec::{SPEC_VERSION, TransportSpec, VmmKind};

    use super::*;

    fn spec() -> InstanceSpec {
        let nowhere = || "/nowhere".into();
        InstanceSpec {
            version: SPEC_VERSION,
            box_id: "test".into(),
            engine: VmmKind::Qemu,
            cpus: 1,
            memory_mib: 128,
            kernel: nowhere(),
            initramfs: nowhere(),
            disks: vec![],
            transport: TransportSpec { portal: nowhere(), ready: nowhere(), clock: None, dial: None },
            console: nowhere(),
            lock: nowhere(),
            attached: true,
            journal: None,
            network: None,
            publish: Vec::new(),
            control: None,
            counters: None,
            deadline_ms: 0,
            qemu: None,
        }
    }

    /// A program that stands in for the shim.
    fn program(folder: &Path, line: &str) -> PathBuf {
        let path = folder.join("program");
        fs::write(&path, format!("#!/bin/sh\n{line}\n")).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        path
    }

    #[tokio::test]
    async fn an_end_is_reported_with_its_status_and_leaves_no_zombie() {
        let folder = tempfile::tempdir().unwrap();
        let shim = ShimController::spawn(
            &program(folder.path(), "exit 67"),
            &spec(),
            folder.path(),
            &folder.path().join("log"),
        )
        .unwrap();
        let outcome = shim.ended().await.unwrap();
        assert_eq!(outcome.status().and_then(|status| status.code()), Some(67));
        assert!(!Path::new(&format!("/proc/{}", shim.identity().pid)).exists());
    }

    #[tokio::test]
    async fn a_kill_on_request_is_no_failure_in_any_process() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let shim = ShimController::spawn(
            &program(folder.path(), "kill -STOP $$; sleep 60"),
            &spec(),
            folder.path(),
            &log,
        )
        .unwrap();
        shim.kill_on_request("removed by force");
        let mine = shim.ended().await.unwrap();
        assert_eq!(
            mine.status().and_then(|status| std::os::unix::process::ExitStatusExt::signal(&status)),
            Some(9)
        );
        for outcome in [mine, ShimOutcome::from_log(&log).unwrap(), shim.final_outcome()] {
            assert_eq!(outcome.failure(None), None);
        }
    }

    #[tokio::test]
    async fn any_other_kill_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let shim = ShimController::spawn(
            &program(folder.path(), "sleep 60"),
            &spec(),
            folder.path(),
            &folder.path().join("log"),
        )
        .unwrap();
        shim.kill();
        assert!(shim.ended().await.unwrap().failure(None).is_some());
    }

    #[tokio::test]
    async fn the_log_is_for_this_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        fs::write(&log, "old").unwrap();
        fs::set_permissions(&log, PermissionsExt::from_mode(0o666)).unwrap();
        let shim =
            ShimController::spawn(&program(folder.path(), "exit 0"), &spec(), folder.path(), &log).unwrap();
        shim.ended().await.unwrap();
        let made = fs::metadata(&log).unwrap();
        assert_eq!((made.mode() & 0o777, made.len()), (0o600, 0));
    }
}
