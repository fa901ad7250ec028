//! libkrun's C API with Rust's types. Each method makes one call, whose negative status is `-errno`. Called by `engine`.

#![allow(unsafe_code, reason = "libkrun's functions take C strings")]

use std::{
    ffi::{CString, c_int},
    os::{
        fd::{IntoRawFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    ptr,
};

use boxlite_spec::{DiskFormat, DiskSpec, ShimExit};
use nix::errno::Errno;

use crate::{
    error::{Context as _, Error, Result},
    network_device::NetworkDevice,
    path::from_here,
};

/// `KRUN_KERNEL_FORMAT_ELF` of libkrun.h.
const KERNEL_FORMAT_ELF: u32 = 1;

/// `KRUN_LOG_LEVEL_ERROR`, `KRUN_LOG_STYLE_NEVER` and `KRUN_LOG_OPTION_NO_ENV` of libkrun.h.
const LOG: (u32, u32, u32) = (1, 2, 1);

/// No `KRUN_TSI_HIJACK_*` flag, so the guest can't make this process open network sockets.
const NO_TSI: u32 = 0;

/// `NET_FEATURE_CSUM`, `GUEST_CSUM`, `GUEST_TSO4`, `GUEST_TSO6`, `HOST_TSO4` and `HOST_TSO6` of libkrun.h: frames of up to 64 KiB each
/// way, from the guest without checksums.
const OFFLOADS: u32 = 1 | 1 << 1 | 1 << 7 | 1 << 8 | 1 << 11 | 1 << 12;

/// Calls a function of libkrun, whose negative status becomes an error.
macro_rules! call {
    ($function:ident($($argument:expr),*)) => { check(stringify!($function), ::krun::$function($($argument),*)) };
}

/// Sends libkrun's errors to `fd`, which libkrun then owns.
pub(super) fn log_errors_to(fd: RawFd) -> Result<()> {
    let (level, style, options) = LOG;
    // SAFETY: `fd` is open, and the caller gives up its ownership.
    unsafe { call!(krun_init_log(fd, level, style, options)) }
}

/// One configuration of libkrun, turned into a machine by [`Context::start_enter`].
pub(super) struct Context(u32);

impl Context {
    pub(super) fn new() -> Result<Self> {
        let id = ::krun::krun_create_ctx();
        check("krun_create_ctx", id)?;
        Ok(Self(id.unsigned_abs()))
    }

    /// Sets the machine's size and disables the devices that libkrun would add. Balloon and entropy come with every machine.
    pub(super) fn set_vm_config(&self, cpus: u8, memory_mib: u32) -> Result<()> {
        call!(krun_set_vm_config(self.0, cpus, memory_mib))?;
        call!(krun_disable_implicit_init(self.0))
    }

    pub(super) fn set_kernel(&self, kernel: &Path, initramfs: &Path, cmdline: &str) -> Result<()> {
        let (kernel, initramfs, cmdline) =
            (c_path(kernel)?, c_path(initramfs)?, c_string(cmdline.as_bytes())?);
        // SAFETY: three C strings that outlive the call, which copies them.
        unsafe {
            call!(krun_set_kernel(
                self.0,
                kernel.as_ptr(),
                KERNEL_FORMAT_ELF,
                initramfs.as_ptr(),
                cmdline.as_ptr()
            ))
        }
    }

    /// Adds a disk. Its flushes reach the host's storage (`KRUN_SYNC_FULL` is the default on Linux).
    pub(super) fn add_disk(&self, disk: &DiskSpec) -> Result<()> {
        let (id, path) = (c_string(disk.id.as_bytes())?, c_path(&from_here(&disk.path))?);
        let format = match disk.format {
            DiskFormat::Raw => 0,
            DiskFormat::Qcow2 => 1,
        };
        // SAFETY: two C strings that outlive the call, which copies them.
        unsafe { call!(krun_add_disk2(self.0, id.as_ptr(), path.as_ptr(), format, disk.read_only)) }
    }

    /// Adds the vsock device, without the TSI that libkrun would turn on where there is no network.
    pub(super) fn add_vsock(&self) -> Result<()> {
        call!(krun_disable_implicit_vsock(self.0))?;
        call!(krun_add_vsock(self.0, NO_TSI))
    }

    /// Connects vsock `port` with the Unix socket at `path`. With `listen`, the host connects to the guest; else the guest to the host.
    pub(super) fn add_vsock_port(&self, port: u32, path: &Path, listen: bool) -> Result<()> {
        let path = c_path(path)?;
        // SAFETY: a C string that outlives the call, which copies it.
        unsafe { call!(krun_add_vsock_port2(self.0, port, path.as_ptr(), listen)) }
    }

    /// Adds the network device. libkrun owns its socket from now on.
    pub(super) fn add_network_device(&self, device: NetworkDevice) -> Result<()> {
        let NetworkDevice { socket, offload, mac } = device;
        let features = if offload { OFFLOADS } else { 0 };
        // SAFETY: no path, since there is a descriptor, whose ownership is given up; six bytes that outlive the call, which copies them.
        unsafe {
            call!(krun_add_net_unixstream(
                self.0,
                ptr::null(),
                socket.into_raw_fd(),
                mac.as_ptr(),
                features,
                0
            ))
        }
    }

    /// Sends the guest's console (hvc0) to `path`, which is opened when the machine starts. The console has no input.
    pub(super) fn set_console_output(&self, path: &Path) -> Result<()> {
        let path = c_path(path)?;
        // SAFETY: a C string that outlives the call, which copies it.
        unsafe { call!(krun_set_console_output(self.0, path.as_ptr())) }
    }

    /// Runs the machine. Returns only if it could not be started; a machine that ran ends in `_exit`.
    pub(super) fn start_enter(self) -> Errno {
        Errno::from_raw(::krun::krun_start_enter(self.0).wrapping_neg())
    }
}

fn check(call: &str, status: c_int) -> Result<()> {
    if status >= 0 {
        return Ok(());
    }
    Err(Error::new(ShimExit::Engine, format!("call {call}"))
        .with_source(Errno::from_raw(status.wrapping_neg())))
}

fn c_path(path: &Path) -> Result<CString> {
    c_string(path.as_os_str().as_bytes())
}

fn c_string(bytes: &[u8]) -> Result<CString> {
    let text = String::from_utf8_lossy(bytes);
    CString::new(bytes).context(ShimExit::BadSpec, "pass to libkrun", text.escape_debug())
}
