//! Pseudoterminals of the container's own devpts.
//!
//! Called by `spawn`; the master goes to the agent, the slave becomes the program's controlling terminal.
#![allow(unsafe_code, reason = "terminal ioctls")]

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use boxlite_proto::v1::TtySize;
use nix::{
    errno::Errno,
    fcntl::{OFlag, openat},
    libc,
    sys::stat::Mode,
};

/// Opens a new terminal of `size` in the devpts whose root is `pts`. Returns its master and its slave.
pub(super) fn open(pts: &OwnedFd, size: TtySize) -> nix::Result<(OwnedFd, OwnedFd)> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = openat(pts, "ptmx", flags, Mode::empty())?;
    let unlocked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads one int, which outlives the call.
    Errno::result(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) })?;
    // SAFETY: TIOCGPTPEER takes open(2) flags by value. It can't open another terminal, as a path could.
    let slave = Errno::result(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags.bits()) })?;
    // SAFETY: the kernel has just made this descriptor for us.
    let slave = unsafe { OwnedFd::from_raw_fd(slave) };
    resize(&master, size)?;
    Ok((master, slave))
}

/// Sets the window size, which sends SIGWINCH to the foreground process group.
pub(crate) fn resize(master: &OwnedFd, size: TtySize) -> nix::Result<()> {
    let cells = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
    let size =
        libc::winsize { ws_row: cells(size.rows), ws_col: cells(size.cols), ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one winsize, which outlives the call.
    Errno::result(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }).map(drop)
}

/// Makes standard input this session's controlling terminal. The caller has just called setsid.
pub(super) fn control() -> nix::Result<()> {
    // SAFETY: TIOCSCTTY takes a number by value.
    Errno::result(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) }).map(drop)
}
