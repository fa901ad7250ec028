//! From the container's init to a program: what is done before the child is cloned, and what the child does to itself after it.
//!
//! Called by `serve` and `main_init`; calls `terminal`, `program` and `container`'s accounts. Whatever an image could make slow or
//! large (reading its passwd file, entering a directory) happens in the child and is bounded, since this process waits for it. A
//! child that fails leaves a `StartError` in the memory that it shares with this process.
#![allow(unsafe_code, reason = "fork(2), close_range(2) and _exit(2)")]

use std::{
    convert::identity,
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
    fork::{Never, VforkStack},
    program::{Program, failure},
    terminal,
};
use crate::container::{Accounts, Container, ExecutionGroup, User};

/// A child that has executed its program.
pub(super) struct Forked {
    pub(super) pid: Pid,
    /// Its pid in the container's pid namespace.
    pub(super) inner: Pid,
    /// The terminal's master, if the program has one.
    pub(super) master: Option<OwnedFd>,
}

/// The child's ends of its streams.
struct Streams {
    /// `None` keeps the standard input of the container's init, /dev/null.
    stdin: Option<OwnedFd>,
    stdout: OwnedFd,
    /// `None` if it is the terminal that `stdout` is.
    stderr: Option<OwnedFd>,
}

/// Forks a child that executes the program of `request`. The order of `fds` is that of `message::Action::Spawn`.
pub(super) fn fork_program(
    container: &Container,
    accounts: &mut Accounts,
    stack: &mut VforkStack,
    group: Option<&ExecutionGroup>,
    request: &ExecRequest,
    fds: Vec<OwnedFd>,
) -> Result<Forked, StartError> {
    let childless = |error| childless(request, &error);
    let (streams, master) = match request.tty {
        Some(size) => Streams::terminal(container, size),
        None => Streams::of(request, fds).map(|streams| (streams, None)),
    }
    .map_err(childless)?;
    let inner = Pid::from_raw(0);
    let mut child = Child { container, request, streams, accounts, inner, program: None, error: None };
    // SAFETY: the container's init has a single thread.
    let pid = unsafe { stack.spawn(group.map(AsFd::as_fd), &mut child, become_program) }
        .map_err(|errno| childless(errno.into()))?;
    let inner = child.inner;
    child.error.map_or(Ok(Forked { pid, inner, master }), Err)
}

/// Why no child could be made.
fn childless(request: &ExecRequest, error: &io::Error) -> StartError {
    let kind = match error.kind() {
        io::ErrorKind::InvalidInput => Kind::Invalid,
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory | io::ErrorKind::QuotaExceeded => {
            Kind::ResourceExhausted
        }
        _ => Kind::Other,
    };
    failure(kind, format!("start {:?}: {error}", request.command))
}

/// Executes the program of `request` in this process. Returns only if that fails. The program has no terminal.
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
    prepare(container, request, &streams, accounts).map_or_else(identity, |program| program.execute())
}

impl Streams {
    fn of(request: &ExecRequest, fds: Vec<OwnedFd>) -> io::Result<Self> {
        let mut fds = fds.into_iter();
        let mut next = || fds.next().ok_or_else(|| io::Error::other("a stream is missing"));
        let stdin = if request.stdin { Some(next()?) } else { None };
        Ok(Self { stdin, stdout: next()?, stderr: Some(next()?) })
    }

    /// A new terminal of `size`, and its master.
    fn terminal(container: &Container, size: TtySize) -> io::Result<(Self, Option<OwnedFd>)> {
        let none = "the container has no devpts on /dev/pts, so no terminals";
        let none = || io::Error::new(io::ErrorKind::InvalidInput, none);
        let (master, slave) = terminal::open(container.pts.as_ref().ok_or_else(none)?, size)?;
        Ok((Self { stdin: Some(slave.try_clone()?), stdout: slave, stderr: None }, Some(master)))
    }
}

/// The memory that parent and child share. The child stores here what is alive when it executes the program, since only the
/// parent can free it then.
struct Child<'a> {
    container: &'a Container,
    request: &'a ExecRequest,
    streams: Streams,
    accounts: &'a mut Accounts,
    /// The child's own pid, in its pid namespace.
    inner: Pid,
    program: Option<Program>,
    error: Option<StartError>,
}

/// Everything between clone3 and execve, and the child's exit if that fails.
fn become_program(child: &mut Child<'_>) -> Never {
    let Child { container, request, streams, accounts, inner, program, error } = child;
    *inner = getpid();
    let ready = prepare(container, request, streams, accounts);
    *error = Some(ready.map_or_else(identity, |ready| program.insert(ready).execute()));
    // SAFETY: ends this process without running the parent's exit handlers.
    unsafe { libc::_exit(127) }
}

/// Gives this process everything of the program but its code, and returns the program. The order matters: the directory is
/// entered and the limits are raised with root's rights, which end when the user's ids are set.
fn prepare(
    container: &Container,
    request: &ExecRequest,
    streams: &Streams,
    accounts: &mut Accounts,
) -> Result<Program, StartError> {
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
    // An unset or empty HOME is the user's own, as in docker, unless it is to be unset.
    let wanted = !request.unset.iter().any(|name| name == "HOME");
    if wanted && !env.iter().any(|variable| variable.starts_with("HOME=") && variable.len() > "HOME=".len()) {
        env.retain(|variable| variable != "HOME=");
        env.push(format!("HOME={}", user.home));
    }
    Program::new(request, &env)
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
    // Every descriptor is close-on-exec already. This makes sure of it.
    // SAFETY: this marks descriptors and closes none now.
    let marked =
        unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Errno::result(marked).map(drop)
}

/// Undoes the OOM protection of the container's init.
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

/// Changes to the user. What is so already is skipped, since most executions run as root.
fn assume(user: &User, streams: &Streams) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    if !uid.is_root() {
        // Let the program open /dev/stdout and the like again, since a pipe's inode belongs to the agent otherwise.
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
    // Each of these calls makes new credentials, even if nothing changes.
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
