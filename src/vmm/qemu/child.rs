//! QEMU's process: started so that it can't outlive this one, its last words kept. Called by `engine`.

#![allow(unsafe_code, reason = "the child's death signal and descriptors are set between fork and exec")]

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

/// How much of what QEMU says is kept, in bytes.
const WORDS_LIMIT: usize = 4096;

/// Starts `program`, which the kernel kills when this thread ends, and which inherits `kept`.
pub(super) fn spawn(program: &Path, arguments: &[OsString], kept: &[BorrowedFd<'_>]) -> io::Result<Child> {
    let parent = getpid();
    let kept: Vec<RawFd> = kept.iter().map(|fd| fd.as_fd().as_raw_fd()).collect();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // SAFETY: runs between fork and exec: system calls only, no allocation, no lock.
    unsafe { command.pre_exec(move || tie(parent, &kept)) };
    command.spawn()
}

fn tie(parent: Pid, kept: &[RawFd]) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The parent may have died before the line above.
    if getppid() != parent {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    for &fd in kept {
        // SAFETY: the parent holds it open over the fork.
        fcntl(unsafe { BorrowedFd::borrow_raw(fd) }, FcntlArg::F_SETFD(FdFlag::empty()))?;
    }
    Ok(())
}

/// The running process for good, whatever becomes of its pid.
pub(super) fn pidfd(child: &Child) -> io::Result<OwnedFd> {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::NotFound)?;
    Ok(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?)
}

/// Reads to the end and keeps the last part.
pub(super) async fn last_words(mut stream: impl AsyncRead + Unpin) -> String {
    let mut words = VecDeque::with_capacity(WORDS_LIMIT);
    let mut chunk = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        words.extend(&chunk[..count]);
        let excess = words.len().saturating_sub(WORDS_LIMIT);
        words.drain(..excess);
    }
    String::from_utf8_lossy(words.make_contiguous()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_end_of_a_long_speech_is_kept() {
        let speech = "x".repeat(100_000) + "\nqemu: the end\n";
        let words = last_words(speech.as_bytes()).await;
        assert_eq!(words.len(), WORDS_LIMIT - 1);
        assert!(words.ends_with("\nqemu: the end"));
    }

    #[tokio::test]
    async fn a_child_inherits_what_is_kept_and_nothing_else() {
        let (kept, _other) = nix::unistd::pipe().unwrap();
        let (closed, _other) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        let script = format!(
            "test -e /proc/self/fd/{} && test ! -e /proc/self/fd/{}",
            kept.as_raw_fd(),
            closed.as_raw_fd()
        );
        fcntl(&kept, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        let mut child = spawn(Path::new("/bin/sh"), &["-c".into(), script.into()], &[kept.as_fd()]).unwrap();
        assert!(child.wait().await.unwrap().success());
    }
}
