//! From the container's init to a program: what is done before its birth, and what the child does to itself after it.
//!
//! Called by `serve`; calls `terminal`, `program` and `container::user`. Whatever an image could make slow or large
//! (reading its passwd file, entering a directory) happens in the child, and is bounded: this process waits for it. A child that fails leaves a `StartError`
//! in the memory that it shares with this process.
#![allow(unsafe_code, reason = "fork(2), close_range(2) and _exit(2)")]

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use boxlite_proto::v1::{ExecRequest, StartError, TtySize, start_error::Kind};
use nix::{
    errno::Errno,
    fcntl::{OFlag, openat},
    libc,
    sys::{
        signal::{SigSet, SigmaskHow, sigprocmask},
        stat::Mode,
    },
    unistd::{
        Gid, Pid, ResGid, ResUid, Uid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fchown, getgroups,
        getpid, getresgid, getresuid, setgid, setgroups, setsid, setuid, write,
    },
};

use super::{
    fork::{Never, Nursery},
    program::{Program, failure},
    terminal,
};
use crate::container::{
    Container, ExecutionGroup,
    user::{Accounts, User},
};

/// A child that has become its program.
pub(super) struct Forked {
    pub(super) pid: Pid,
    /// Its pid as the container has it.
    pub(super) inner: Pid,
    /// The terminal's master, if the program has one.
    pub(super) master: Option<OwnedFd>,
}

/// The child's ends of its streams.
struct Streams {
    /// `None` keeps what the container's init has: /dev/null.
    stdin: Option<OwnedFd>,
    stdout: OwnedFd,
    /// `None`: the terminal, which `stdout` is.
    stderr: Option<OwnedFd>,
}

/// Why there is no program.
pub(super) enum NotForked {
    /// There is no child.
    Childless(io::Error),
    /// The child could not become it.
    Failed(StartError),
}

impl From<io::Error> for NotForked {
    fn from(error: io::Error) -> Self {
        Self::Childless(error)
    }
}

/// Makes a child that becomes the program of `request`. `fds` as `message::Action::Spawn` orders them.
pub(super) fn fork_program(
    container: &Container,
    accounts: &mut Accounts,
    nursery: &mut Nursery,
    group: Option<&ExecutionGroup>,
    request: &ExecRequest,
    fds: Vec<OwnedFd>,
) -> Result<Forked, NotForked> {
    let (streams, master) = if let Some(size) = request.tty {
        let (master, slave) = open_terminal(container, size)?;
        (Streams { stdin: Some(slave.try_clone()?), stdout: slave, stderr: None }, Some(master))
    } else {
        (Streams::of(request, fds)?, None)
    };
    let inner = Pid::from_raw(0);
    let mut birth = Birth { container, request, streams, accounts, inner, program: None, error: None };
    // SAFETY: the container's init has a single thread.
    let pid = unsafe { nursery.bear(group.map(AsFd::as_fd), &mut birth, become_program) }
        .map_err(io::Error::from)?;
    match birth.error {
        Some(error) => Err(NotForked::Failed(error)),
        None => Ok(Forked { pid, inner: birth.inner, master }),
    }
}

/// Makes this very process the program of `request`; returns only if that can't be. It has no terminal.
pub(super) fn turn_into_program(
    container: &Container,
    accounts: &mut Accounts,
    request: &ExecRequest,
    fds: Vec<OwnedFd>,
) -> StartError {
    let streams = match Streams::of(request, fds) {
        Ok(streams) => streams,
        Err(error) => return failure(Kind::Other, format!("start {:?}: {error}", request.command)),
    };
    match prepare(container, request, &streams, accounts).and_then(|env| Program::new(request, &env)) {
        Ok(program) => program.execute(),
        Err(failure) => failure,
    }
}

impl Streams {
    fn of(request: &ExecRequest, fds: Vec<OwnedFd>) -> io::Result<Self> {
        let mut fds = fds.into_iter();
        let mut next = || fds.next().ok_or_else(|| io::Error::other("a stream is missing"));
        let stdin = if request.stdin { Some(next()?) } else { None };
        Ok(Self { stdin, stdout: next()?, stderr: Some(next()?) })
    }
}

/// What parent and child share. The child keeps here what is alive when it becomes the program, since only the parent
/// can free it then.
struct Birth<'a> {
    container: &'a Container,
    request: &'a ExecRequest,
    streams: Streams,
    accounts: &'a mut Accounts,
    /// The child's own pid, as its pid namespace has it.
    inner: Pid,
    program: Option<Program>,
    error: Option<StartError>,
}

fn open_terminal(container: &Container, size: TtySize) -> io::Result<(OwnedFd, OwnedFd)> {
    let Some(pts) = &container.pts else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the container has no devpts on /dev/pts, so no terminals",
        ));
    };
    Ok(terminal::open(pts, size)?)
}

/// Everything between birth and execve, and the end where that fails.
fn become_program(birth: &mut Birth<'_>) -> Never {
    let Birth { container, request, streams, accounts, inner, program, error } = birth;
    *inner = getpid();
    let failure =
        match prepare(container, request, streams, accounts).and_then(|env| Program::new(request, &env)) {
            Ok(ready) => program.insert(ready).execute(),
            Err(failure) => failure,
        };
    *error = Some(failure);
    // SAFETY: ends this process without running the parent's exit handlers.
    unsafe { libc::_exit(127) }
}

/// Turns this process into the program's in all but its code. The order matters: the directory is entered and limits
/// are raised with root's rights, which the user's ids then end.
fn prepare(
    container: &Container,
    request: &ExecRequest,
    streams: &Streams,
    accounts: &mut Accounts,
) -> Result<Vec<String>, StartError> {
    let step =
        |what: &'static str| move |errno: Errno| failure(kind_of(errno), format!("{what}: {}", errno.desc()));
    setsid().map_err(step("setsid"))?;
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
        .map_err(step("reset the signal mask"))?;
    connect(request, streams).map_err(step("connect the standard streams"))?;
    allow_oom(container).map_err(step("reset oom_score_adj"))?;

    let user = accounts.look_up(&request.user).map_err(|message| failure(Kind::NoSuchUser, message))?;
    enter(&request.cwd)?;
    container.rlimits.apply().map_err(|error| failure(Kind::Other, error.chain()))?;
    assume(&user, streams).map_err(step("change user"))?;

    let mut env = request.env.clone();
    // As docker: an unset or empty HOME is the user's own, unless it is to be unset.
    let wanted = !request.unset.iter().any(|name| name == "HOME");
    if wanted && !env.iter().any(|variable| variable.starts_with("HOME=") && variable.len() > "HOME=".len()) {
        env.retain(|variable| variable != "HOME=");
        env.push(format!("HOME={}", user.home));
    }
    Ok(env)
}

fn connect(request: &ExecRequest, streams: &Streams) -> nix::Result<()> {
    if let Some(stdin) = &streams.stdin {
        dup2_stdin(stdin)?;
    }
    dup2_stdout(&streams.stdout)?;
    dup2_stderr(streams.stderr.as_ref().unwrap_or(&streams.stdout))?;
    if request.tty.is_some() {
        terminal::control()?;
    }
    // Everything here is close-on-exec already; this says so once more, for good.
    // SAFETY: marks descriptors, closes none now.
    let marked =
        unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Errno::result(marked).map(drop)
}

/// Undoes the protection of the container's init.
fn allow_oom(container: &Container) -> nix::Result<()> {
    let Some(proc) = &container.proc else { return Ok(()) };
    let file = openat(proc, "self/oom_score_adj", OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    write(&file, b"0").map(drop)
}

fn enter(cwd: &str) -> Result<(), StartError> {
    let cwd = if cwd.is_empty() { "/" } else { cwd };
    chdir(cwd).map_err(|errno| {
        let kind = match errno {
            Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENAMETOOLONG => Kind::NoSuchDirectory,
            _ => kind_of(errno),
        };
        failure(kind, format!("enter directory {cwd:?}: {}", errno.desc()))
    })
}

/// Becomes the user. Skips what is so already: most executions are root's.
fn assume(user: &User, streams: &Streams) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    if !uid.is_root() {
        // Lets the program open /dev/stdout and the like again: a pipe's inode belongs to the agent otherwise.
        for stream in
            [streams.stdin.as_ref(), Some(&streams.stdout), streams.stderr.as_ref()].into_iter().flatten()
        {
            fchown(stream.as_fd(), Some(uid), None)?;
        }
    }
    let now = (getresuid()?, getresgid()?);
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    if now.0.effective.is_root() && getgroups()? != groups {
        setgroups(&groups)?;
    }
    // Each makes new credentials, also of what is so already.
    if now.1 != (ResGid { real: gid, effective: gid, saved: gid }) {
        setgid(gid)?;
    }
    if now.0 != (ResUid { real: uid, effective: uid, saved: uid }) {
        setuid(uid)?;
    }
    Ok(())
}

fn kind_of(errno: Errno) -> Kind {
    match errno {
        Errno::EACCES | Errno::EPERM => Kind::PermissionDenied,
        Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE => Kind::ResourceExhausted,
        _ => Kind::Other,
    }
}
