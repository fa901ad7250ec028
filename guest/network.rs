//! The machine's network: the loopback interface, which nothing else brings up.
//!
//! Called by the Guest service when the machine is set up. The container shares this network.
#![allow(unsafe_code, reason = "the SIOCGIFFLAGS and SIOCSIFFLAGS ioctls")]

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::{
    libc,
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
};

use crate::{Context as _, Result};

/// Brings `lo` up; the kernel then gives it 127.0.0.1/8 and `::1` (netdevice(7)).
///
/// # Errors
///
/// The kernel refuses the ioctl.
pub fn raise_loopback() -> Result<()> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .context(|| "open a socket for the loopback interface")?;
    raise(&socket).context(|| "bring up the loopback interface")
}

fn raise(socket: &OwnedFd) -> io::Result<()> {
    // SAFETY: ifreq is plain data, for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    call(socket, libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: SIOCGIFFLAGS succeeded, so this field of the union is the one that is set.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    // IFF_UP is 1 and fits.
    request.ifr_ifru.ifru_flags = flags | i16::try_from(libc::IFF_UP).unwrap_or(1);
    call(socket, libc::SIOCSIFFLAGS, &mut request)
}

fn call(socket: &OwnedFd, request: libc::Ioctl, argument: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: both requests read and write one ifreq, which lives for the call.
    match unsafe { libc::ioctl(socket.as_raw_fd(), request, argument) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
