//! Lets go of a machine's interrupt lines once its guest has ended. Called by `engine`, before the process ends.
//!
//! KVM must know that no processor uses a line any more before it takes the machine apart, and waits for that (virt/kvm/eventfd.c,
//! `irqfd_shutdown`: a grace period of SRCU, some 12 ms). When a process ends, its eventfds go after its memory. Begun here, the
//! wait and the freeing of the guest's memory pass side by side.

#![allow(unsafe_code, reason = "descriptors of libkrun are replaced")]

use std::{
    fs::{self, OpenOptions},
    os::fd::{AsRawFd as _, RawFd},
};

use nix::libc;

/// Closes what raises interrupts, as far as KVM is concerned; the kernel does the rest by itself. What can't be done is left to the
/// end of the process.
pub(super) fn let_go() {
    replace(&eventfds());
}

/// Puts /dev/null in the place of `descriptors`: closed, their numbers could become those of other files while a thread of
/// libkrun still writes to them.
fn replace(descriptors: &[RawFd]) {
    let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") else { return };
    for &descriptor in descriptors {
        // SAFETY: both are open. No value of ours owns an eventfd, so these are libkrun's, whose devices serve nobody any more.
        unsafe { libc::dup2(null.as_raw_fd(), descriptor) };
    }
}

fn eventfds() -> Vec<RawFd> {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    open.filter(|entry| {
        fs::read_link(entry.path()).is_ok_and(|what| what.as_os_str() == "anon_inode:[eventfd]")
    })
    .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    .collect()
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::fd::FromRawFd as _};

    use super::*;

    #[test]
    fn whoever_still_writes_to_an_eventfd_is_no_worse_off() {
        // SAFETY: makes a descriptor, which the file then owns.
        let mut event = unsafe { fs::File::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC)) };
        assert!(eventfds().contains(&event.as_raw_fd()));
        // Not all of them: other tests run beside this one.
        replace(&[event.as_raw_fd()]);
        assert!(!eventfds().contains(&event.as_raw_fd()));
        event.write_all(&1_u64.to_ne_bytes()).unwrap();
    }
}
