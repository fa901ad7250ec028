//! The host's limits of what all programs share: descriptors, processes and threads. Whatever was tried when one was reached, the
//! reason and the remedy are the same, so `error` checks here first.

use std::{error::Error as StdError, io, sync::Arc};

use nix::errno::Errno;

use crate::{
    code::ErrorCode,
    text,
    text::{Term, Text},
};

/// Returns the hint for an exhausted limit.
pub(crate) fn remedy() -> Text {
    text![
        "raise the limits of this process's user or service, as `ulimit -n 4096` and `ulimit -u 4096`, LimitNOFILE= and TasksMax=, \
         or have fewer boxes at once; ",
        Term::DoctorCommand,
        " shows the limits"
    ]
}

/// `fork(2)` and `pthread_create(3)` fail with `EAGAIN`; no wait for a socket carries it as far as an error.
const LIMITED: [Errno; 3] = [Errno::EMFILE, Errno::ENFILE, Errno::EAGAIN];

/// Returns whether the host's limits caused `error`. For those who go on without a file that they can't read: that a limit was reached says
/// nothing of the file.
pub fn caused(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // A shared cause is an `Arc` around the error, whose `source` skips the error itself.
        let error = error
            .downcast_ref::<Arc<dyn StdError + Send + Sync>>()
            .map_or(error, |shared| &**shared as &(dyn StdError + 'static));
        let reached = match error.downcast_ref::<io::Error>() {
            Some(error) => caused_io(error),
            None => error.downcast_ref::<Errno>().is_some_and(|errno| LIMITED.contains(errno)),
        };
        if reached {
            return true;
        }
        next = error.source();
    }
    false
}

fn caused_io(error: &io::Error) -> bool {
    match (error.raw_os_error(), error.get_ref()) {
        (Some(number), _) => LIMITED.contains(&Errno::from_raw(number)),
        // What such an error wraps is not its source, but itself; and some libraries keep nothing but the text of what they wrap.
        (None, Some(wrapped)) => caused(wrapped) || caused_text(&wrapped.to_string()),
        (None, None) => false,
    }
}

/// Returns whether the host's limits caused what `text` reports: a line of another process, such as the shim or QEMU.
pub(crate) fn caused_text(text: &str) -> bool {
    // These are texts of strerror(3).
    ["Resource temporarily unavailable", "Too many open files"].iter().any(|limit| text.contains(limit))
}

/// Whether the host's limits can be the reason of an error of this code. They are not where a registry, a guest or a file in a box
/// refused something for a reason of its own.
pub(crate) const fn can_cause(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::StorageIo
            | ErrorCode::EngineUnsupported
            | ErrorCode::EngineFailed
            | ErrorCode::NetworkFailed
            | ErrorCode::InvalidArgument
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
        assert_eq!((above.code(), above.hint_text()), (ErrorCode::HostLimit, Some(&remedy())));
        let other =
            BoxliteError::io("open", Path::new("/x"), io::Error::from_raw_os_error(Errno::EACCES as i32));
        assert_eq!(other.code(), ErrorCode::StorageIo);
        let file = BoxliteError::new(ErrorCode::FileRefused, "read").caused_by(Errno::EMFILE);
        assert_eq!(file.code(), ErrorCode::FileRefused);
    }

    #[test]
    fn limits_are_found_in_errors_that_wrap_the_systems() {
        let limit = || io::Error::from_raw_os_error(Errno::EMFILE as i32);
        for error in [
            io::Error::other(limit()),
            io::Error::other(io::Error::other(limit())),
            io::Error::other(BoxliteError::new(ErrorCode::StorageIo, "open").caused_by(limit())),
            // As `tempfile` and `imago` make them.
            io::Error::new(limit().kind(), format!("{} at path \"/x\"", limit())),
        ] {
            let text = format!("{error:?}");
            assert_eq!(
                BoxliteError::io("write", Path::new("/x"), error).code(),
                ErrorCode::HostLimit,
                "{text}"
            );
        }
        for error in [io::Error::other("no"), io::ErrorKind::WouldBlock.into()] {
            assert_eq!(BoxliteError::io("write", Path::new("/x"), error).code(), ErrorCode::StorageIo);
        }
    }

    #[test]
    fn texts_of_other_processes_are_recognised() {
        for text in [
            "start a thread for the console: Resource temporarily unavailable (os error 11)",
            "run QEMU: signal: 6 (SIGABRT): qemu: qemu_thread_create: Resource temporarily unavailable",
            "make a pipe for the console: EMFILE: Too many open files",
            "run /usr/bin/qemu-system-x86_64 -version: Resource temporarily unavailable (os error 11)",
        ] {
            assert!(caused_text(text), "{text}");
        }
        assert!(!caused_text("open disk: No such file or directory (os error 2)"));
    }
}
