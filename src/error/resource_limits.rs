//! When the host itself runs short of what every program shares: descriptors, processes, threads. Whatever was tried then, the
//! reason and the remedy are the same, so `error` asks here before it settles for the code of what was tried.

use std::{error::Error as StdError, io, sync::Arc};

use nix::errno::Errno;

use crate::code::ErrorCode;

/// What to do about it.
pub(crate) const REMEDY: &str = "raise the limits of this process's user or service, as `ulimit -n 4096` and `ulimit -u 4096`, LimitNOFILE= and TasksMax=, \
     or have fewer boxes at once; `npx @boxlite/node doctor` shows the limits";

/// `EAGAIN` is what `fork(2)` and `pthread_create(3)` say; nothing that waits for a socket carries it as far as an error.
const SHORT: [Errno; 3] = [Errno::EMFILE, Errno::ENFILE, Errno::EAGAIN];

/// Whether the host's limits are behind `error`.
pub(crate) fn is_behind(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // A cause that several errors share stands in front of what it shares, and has the latter's cause for its own.
        let error = error
            .downcast_ref::<Arc<dyn StdError + Send + Sync>>()
            .map_or(error, |shared| &**shared as &(dyn StdError + 'static));
        let number = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error).map(Errno::from_raw);
        if number.or(error.downcast_ref::<Errno>().copied()).is_some_and(|errno| SHORT.contains(&errno)) {
            return true;
        }
        next = error.source();
    }
    false
}

/// The same of what another process said: the shim, or through it QEMU.
pub fn is_told_by(text: &str) -> bool {
    // As the C library says it.
    ["Resource temporarily unavailable", "Too many open files"].iter().any(|words| text.contains(words))
}

/// Whether an error of this code is about what could not be had, so that the host's limits may be its reason. What a registry, a
/// guest or a file in a box says for itself stays.
pub const fn may_be_behind(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::StorageIo
            | ErrorCode::EngineUnsupported
            | ErrorCode::EngineFailed
            | ErrorCode::PartMissing
            | ErrorCode::PortalLost
            | ErrorCode::RegistryUnreachable
            | ErrorCode::Internal
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::error::BoxliteError;

    #[test]
    fn limits_are_found_however_deep() {
        let error =
            BoxliteError::io("open", Path::new("/x"), io::Error::from_raw_os_error(Errno::EMFILE as i32));
        assert_eq!(error.code(), ErrorCode::HostLimit);
        let shared: Arc<dyn StdError + Send + Sync> =
            Arc::new(io::Error::from_raw_os_error(Errno::EMFILE as i32));
        let of_images = BoxliteError::new(ErrorCode::StorageIo, "read the index").caused_by(shared);
        assert_eq!(of_images.code(), ErrorCode::HostLimit);
        let above = BoxliteError::new(ErrorCode::PartMissing, "run shim").caused_by(error).hint("reinstall");
        assert_eq!((above.code(), above.hint_text()), (ErrorCode::HostLimit, Some(REMEDY)));
        let other =
            BoxliteError::io("open", Path::new("/x"), io::Error::from_raw_os_error(Errno::EACCES as i32));
        assert_eq!(other.code(), ErrorCode::StorageIo);
        let file = BoxliteError::new(ErrorCode::FileRefused, "read").caused_by(Errno::EMFILE);
        assert_eq!(file.code(), ErrorCode::FileRefused);
    }

    #[test]
    fn a_shims_words_tell_too() {
        for text in [
            "start a thread for the console: Resource temporarily unavailable (os error 11)",
            "run QEMU: signal: 6 (SIGABRT): qemu: qemu_thread_create: Resource temporarily unavailable",
            "make a pipe for the console: EMFILE: Too many open files",
            "run /usr/bin/qemu-system-x86_64 -version: Resource temporarily unavailable (os error 11)",
        ] {
            assert!(is_told_by(text), "{text}");
        }
        assert!(!is_told_by("open disk: No such file or directory (os error 2)"));
    }
}
