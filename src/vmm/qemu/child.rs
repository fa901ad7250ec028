//! QEMU's process, which can't outlive this one, and the tail of its standard error. Called by `engine`.

#![allow(
    unsafe_code,
    reason = "the child's parent-death signal and descriptors are set between fork and exec"
)]

use std::{
    collections::VecDeque,
    ffi::OsString,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    path::Path,
    process::Stdio,
};

use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    libc,
    sys::{prctl, signal::Signal},
    unistd::{Pid, getpid, getppid},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};

/// How much of the end of QEMU's standard error is retained, in bytes.
const TAIL_LIMIT: usize = 4096;

/// Starts `program`, which inherits the descriptors `inherited`. The kernel kills it when this thread ends.
pub(super) fn spawn(
    program: &Path,
    arguments: &[OsString],
    inherited: &[BorrowedFd<'_>],
) -> io::Result<Child> {
    let parent = getpid();
    let inherited: Vec<RawFd> = inherited.iter().map(|fd| fd.as_fd().as_raw_fd()).collect();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // SAFETY: the closure runs between fork and exec. It makes only system calls, allocates nothing and takes no lock.
    unsafe { command.pre_exec(move || prepare(parent, &inherited)) };
    command.spawn()
}

/// Runs in the child before it executes the program: ties its life to `parent` and clears close-on-exec of `inherited`.
fn prepare(parent: Pid, inherited: &[RawFd]) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The parent may have exited before the line above.
    if getppid() != parent {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    for &fd in inherited {
        // SAFETY: the parent keeps the descriptor open across the fork.
        fcntl(unsafe { BorrowedFd::borrow_raw(fd) }, FcntlArg::F_SETFD(FdFlag::empty()))?;
    }
    Ok(())
}

/// Opens a descriptor of the process, which never refers to another one, even if the pid is used again.
pub(super) fn pidfd(child: &Child) -> io::Result<OwnedFd> {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::NotFound)?;
    Ok(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?)
}

/// Reads `stream` to its end and returns its last [`TAIL_LIMIT`] bytes, trimmed.
pub(super) async fn tail(mut stream: impl AsyncRead + Unpin) -> String {
    let mut tail = VecDeque::with_capacity(TAIL_LIMIT);
    let mut chunk = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        tail.extend(&chunk[..count]);
        let excess = tail.len().saturating_sub(TAIL_LIMIT);
        tail.drain(..excess);
    }
    String::from_utf8_lossy(tail.make_contiguous()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_tail_of_long_output_is_retained() {
        let output = "x".repeat(100_000) + "\nqemu: the end\n";
        let tail = tail(output.as_bytes()).await;
        assert_eq!(tail.len(), TAIL_LIMIT - 1);
        assert!(tail.ends_with("\nqemu: the end"));
    }

    #[tokio::test]
    async fn a_child_inherits_the_given_descriptors_and_no_others() {
        let (inherited, _other) = nix::unistd::pipe().unwrap();
        let (closed, _other) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        let script = format!(
            "test -e /proc/self/fd/{} && test ! -e /proc/self/fd/{}",
            inherited.as_raw_fd(),
            closed.as_raw_fd()
        );
        fcntl(&inherited, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        let mut child =
            spawn(Path::new("/bin/sh"), &["-c".into(), script.into()], &[inherited.as_fd()]).unwrap();
        assert!(child.wait().await.unwrap().success());
    }
}
