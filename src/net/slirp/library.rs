//! `Library`: libslirp, loaded when a box asks for it, and the part of its interface that is used (`libslirp.h` of version 4.1 and later).
//! Loaded by the backend; called by `stack` alone.

#![allow(unsafe_code, reason = "the functions of a C library are looked up by name")]

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    io,
    mem::ManuallyDrop,
    path::{Path, PathBuf},
};

use libloading::Library as Loaded;

use crate::backend::NetworkError;

/// Its file, as the dynamic linker finds it.
const NAMES: &[&str] = if cfg!(target_os = "macos") {
    &["libslirp.0.dylib", "/opt/homebrew/lib/libslirp.0.dylib", "/usr/local/lib/libslirp.0.dylib"]
} else {
    &["libslirp.so.0"]
};

const HINT: &str = "install libslirp (Debian and Ubuntu: `apt-get install libslirp0`; Fedora, Arch, Alpine and Homebrew: `libslirp`), name its file by BOXLITE_LIBSLIRP, or leave `network.backend` out";

/// The opaque state of libslirp.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Slirp {
    _opaque: [u8; 0],
}

/// An address in the order of the network (`struct in_addr`).
pub(super) type InAddr = [u8; 4];

/// `SlirpConfig` of version 1. Later versions only add to its end.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Config {
    pub(super) version: u32,
    pub(super) restricted: c_int,
    pub(super) in_enabled: bool,
    pub(super) network: Aligned,
    pub(super) mask: Aligned,
    pub(super) host: Aligned,
    pub(super) in6_enabled: bool,
    pub(super) prefix_v6: AlignedV6,
    pub(super) prefix_length_v6: u8,
    pub(super) host_v6: AlignedV6,
    pub(super) host_name: *const c_char,
    pub(super) tftp_server_name: *const c_char,
    pub(super) tftp_path: *const c_char,
    pub(super) boot_file: *const c_char,
    pub(super) dhcp_start: Aligned,
    pub(super) name_server: Aligned,
    pub(super) name_server_v6: AlignedV6,
    pub(super) search: *const *const c_char,
    pub(super) domain: *const c_char,
    pub(super) mtu: usize,
    pub(super) mru: usize,
    pub(super) disable_host_loopback: bool,
    pub(super) enable_emulation: bool,
}

/// `struct in_addr`, which lies where a number of 32 bits does.
#[repr(C, align(4))]
#[derive(Debug, Clone, Copy)]
pub(super) struct Aligned(pub(super) InAddr);

/// `struct in6_addr`.
#[repr(C, align(4))]
#[derive(Debug, Clone, Copy)]
pub(super) struct AlignedV6(pub(super) [u8; 16]);

/// `SlirpCb` of version 1. Later versions only add to its end, and look there only if the configuration says so.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Callbacks {
    pub(super) send_packet: unsafe extern "C" fn(*const c_void, usize, *mut c_void) -> isize,
    pub(super) guest_error: unsafe extern "C" fn(*const c_char, *mut c_void),
    pub(super) clock_get_ns: unsafe extern "C" fn(*mut c_void) -> i64,
    pub(super) timer_new: unsafe extern "C" fn(
        Option<unsafe extern "C" fn(*mut c_void)>,
        *mut c_void,
        *mut c_void,
    ) -> *mut c_void,
    pub(super) timer_free: unsafe extern "C" fn(*mut c_void, *mut c_void),
    pub(super) timer_mod: unsafe extern "C" fn(*mut c_void, i64, *mut c_void),
    pub(super) register_poll_fd: unsafe extern "C" fn(c_int, *mut c_void),
    pub(super) unregister_poll_fd: unsafe extern "C" fn(c_int, *mut c_void),
    pub(super) notify: unsafe extern "C" fn(*mut c_void),
}

/// Adds a descriptor to those that are polled for, and returns its index.
pub(super) type AddPoll = unsafe extern "C" fn(c_int, c_int, *mut c_void) -> c_int;
/// Returns what has happened to the descriptor at an index.
pub(super) type GetEvents = unsafe extern "C" fn(c_int, *mut c_void) -> c_int;

type New = unsafe extern "C" fn(*const Config, *const Callbacks, *mut c_void) -> *mut Slirp;
type Cleanup = unsafe extern "C" fn(*mut Slirp);
type Fill = unsafe extern "C" fn(*mut Slirp, *mut u32, AddPoll, *mut c_void);
type Poll = unsafe extern "C" fn(*mut Slirp, c_int, GetEvents, *mut c_void);
type Input = unsafe extern "C" fn(*mut Slirp, *const u8, c_int);
type Version = unsafe extern "C" fn() -> *const c_char;

/// The functions of the loaded library.
#[derive(Debug, Clone, Copy)]
pub(super) struct Library {
    pub(super) new: New,
    pub(super) cleanup: Cleanup,
    pub(super) fill: Fill,
    pub(super) poll: Poll,
    pub(super) input: Input,
    version: Version,
}

impl Library {
    /// Loads the library: `named`, or else the system's.
    ///
    /// # Errors
    /// If there is none, or it is older than 4.1.
    pub(super) fn load(named: Option<&Path>) -> Result<Self, NetworkError> {
        let files = match named {
            Some(path) => vec![path.to_owned()],
            None => NAMES.iter().map(PathBuf::from).collect(),
        };
        let mut why = Vec::new();
        for file in files {
            // SAFETY: libslirp and the libraries that it needs may be loaded at any time. Another file under this name would be
            // the choice of whoever may also replace this program.
            match unsafe { Loaded::new(&file) } {
                Ok(loaded) => return Self::of(loaded, &file),
                Err(error) => why.push(reason(&error)),
            }
        }
        Err(NetworkError::new(format!("load libslirp: {}", why.join("; "))).with_hint(HINT))
    }

    fn of(loaded: Loaded, file: &Path) -> Result<Self, NetworkError> {
        // Never unloaded: GLib, which it brings, can't be.
        let loaded = ManuallyDrop::new(loaded);
        let missing = |error: libloading::Error| {
            let why = format!("use `{}` as libslirp 4.1 or later: {}", file.display(), reason(&error));
            NetworkError::new(why).with_hint(HINT)
        };
        // SAFETY: these are the types of the functions of these names in `libslirp.h`, and the library stays loaded.
        unsafe {
            Ok(Self {
                new: *loaded.get::<New>(b"slirp_new\0").map_err(missing)?,
                cleanup: *loaded.get::<Cleanup>(b"slirp_cleanup\0").map_err(missing)?,
                fill: *loaded.get::<Fill>(b"slirp_pollfds_fill\0").map_err(missing)?,
                poll: *loaded.get::<Poll>(b"slirp_pollfds_poll\0").map_err(missing)?,
                input: *loaded.get::<Input>(b"slirp_input\0").map_err(missing)?,
                version: *loaded.get::<Version>(b"slirp_version_string\0").map_err(missing)?,
            })
        }
    }

    /// Its version, such as `4.7.0`.
    pub(super) fn version(&self) -> String {
        // SAFETY: returns a constant string.
        unsafe { CStr::from_ptr((self.version)()) }.to_string_lossy().into_owned()
    }
}

/// The dynamic linker's own words, which are behind those of the crate.
fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// An error of the system after a call that failed.
pub(super) fn failed(what: &str) -> NetworkError {
    NetworkError::io(format!("start libslirp: {what}"), io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    /// As gcc lays out the structures of `libslirp.h` 4.7 on x86-64 and aarch64.
    #[test]
    fn structures_are_laid_out_as_in_c() {
        let config = [
            offset_of!(Config, network),
            offset_of!(Config, in6_enabled),
            offset_of!(Config, prefix_length_v6),
            offset_of!(Config, host_name),
            offset_of!(Config, dhcp_start),
            offset_of!(Config, name_server_v6),
            offset_of!(Config, search),
            offset_of!(Config, mtu),
            offset_of!(Config, disable_host_loopback),
            offset_of!(Config, enable_emulation),
        ];
        assert_eq!(config, [12, 24, 44, 64, 96, 104, 120, 136, 152, 153]);
        assert_eq!((size_of::<Callbacks>(), offset_of!(Callbacks, notify)), (72, 64));
    }

    #[test]
    fn a_library_that_is_absent_or_another_one_is_named_with_the_remedy() {
        let absent = Library::load(Some("/nowhere/libslirp.so.0".as_ref())).unwrap_err();
        assert!(absent.to_string().starts_with("load libslirp: /nowhere/libslirp.so.0: "), "{absent}");
        assert!(absent.hint().unwrap().contains("apt-get install libslirp0"));
        let other = Library::load(Some("libc.so.6".as_ref())).unwrap_err();
        assert!(other.to_string().contains("use `libc.so.6` as libslirp 4.1 or later: "), "{other}");
        assert!(other.hint().is_some());
    }

    #[test]
    fn the_systems_library_is_there() {
        let version = Library::load(None).unwrap().version();
        assert!(version.starts_with("4."), "{version}");
    }
}
