//! The list of error codes: Rust owns it, and `lib/errors.ts` is compared with it by a test.
//!
//! A code is stable API: users match on it. The class groups codes for `instanceof`; its name is the TypeScript class.

/// Declares [`ErrorCode`] with its string and its TypeScript class from one table.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal in $class:ident;)+) => {
        /// What went wrong, for programs to match on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode { $($(#[$doc])* $variant,)+ }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code as users see it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The name of the TypeScript class that carries it.
            pub const fn class(self) -> &'static str {
                match self { $(Self::$variant => stringify!($class),)+ }
            }
        }
    };
}

codes! {
    /// An option has the wrong type, or a value outside its range.
    InvalidArgument = "INVALID_ARGUMENT" in InvalidArgumentError;

    /// Another process hangs while it changes the home's list of boxes.
    HomeLocked = "HOME_LOCKED" in RuntimeError;
    /// A newer version of boxlite made the box: this one does not know what its files mean.
    HomeIncompatible = "HOME_INCOMPATIBLE" in RuntimeError;
    /// This process or its user may have no more descriptors, processes or threads.
    HostLimit = "HOST_LIMIT" in RuntimeError;
    /// The runtime was closed.
    RuntimeClosed = "RUNTIME_CLOSED" in RuntimeError;
    /// The native addon, the shim, the kernel or the initramfs is missing or was built for another version.
    PartMissing = "PART_MISSING" in RuntimeError;

    /// No box has this id or name.
    BoxNotFound = "BOX_NOT_FOUND" in BoxError;
    /// A box of this name exists.
    BoxNameTaken = "BOX_NAME_TAKEN" in BoxError;
    /// The box's state does not allow the operation.
    BoxState = "BOX_STATE" in BoxError;
    /// Another process has been changing the box for very long.
    BoxBusy = "BOX_BUSY" in BoxError;
    /// The box was removed.
    BoxRemoved = "BOX_REMOVED" in BoxError;

    /// The image reference can't be parsed.
    ImageReference = "IMAGE_REFERENCE" in ImageError;
    /// The registry or the folder has no such image.
    ImageNotFound = "IMAGE_NOT_FOUND" in ImageError;
    /// The image is not in the cache and the pull policy forbids fetching it.
    ImageNotCached = "IMAGE_NOT_CACHED" in ImageError;
    /// The registry refuses access.
    ImageUnauthorized = "IMAGE_UNAUTHORIZED" in ImageError;
    /// The image has no variant for this machine's architecture.
    ImagePlatform = "IMAGE_PLATFORM" in ImageError;
    /// A blob's bytes do not match its digest.
    ImageDigestMismatch = "IMAGE_DIGEST_MISMATCH" in ImageError;
    /// A manifest, config or layer is truncated or malformed.
    ImageCorrupt = "IMAGE_CORRUPT" in ImageError;
    /// The image exceeds a size bound.
    ImageTooLarge = "IMAGE_TOO_LARGE" in ImageError;
    /// The image uses something that can't be represented.
    ImageUnsupported = "IMAGE_UNSUPPORTED" in ImageError;
    /// The pull was cancelled.
    ImageCancelled = "IMAGE_CANCELLED" in ImageError;
    /// The registry can't be reached.
    RegistryUnreachable = "REGISTRY_UNREACHABLE" in ImageError;
    /// The registry answered with an error.
    RegistryFailed = "REGISTRY_FAILED" in ImageError;
    /// The registry limits the rate of requests.
    RegistryRateLimited = "REGISTRY_RATE_LIMITED" in ImageError;

    /// The host's disk is full.
    StorageFull = "STORAGE_FULL" in StorageError;
    /// The host's file system refused an operation.
    StorageIo = "STORAGE_IO" in StorageError;
    /// A file of the home is damaged.
    StorageCorrupt = "STORAGE_CORRUPT" in StorageError;

    /// No engine can run on this machine, or the one asked for can't.
    EngineUnsupported = "ENGINE_UNSUPPORTED" in UnsupportedEngineError;
    /// The engine failed to set up or run the machine.
    EngineFailed = "ENGINE_FAILED" in EngineError;
    /// The guest did not come up, or refused its set-up.
    GuestFailed = "GUEST_FAILED" in EngineError;
    /// The guest did not answer in time.
    GuestTimeout = "GUEST_TIMEOUT" in EngineError;

    /// The connection to the guest was lost.
    PortalLost = "PORTAL_LOST" in PortalError;
    /// The guest answered an RPC with an error, or broke the protocol.
    Rpc = "RPC" in PortalError;

    /// The command was not found in the box.
    CommandNotFound = "COMMAND_NOT_FOUND" in ExecutionError;
    /// The command can't be executed (permissions, or not an executable).
    CommandNotExecutable = "COMMAND_NOT_EXECUTABLE" in ExecutionError;
    /// The working directory does not exist in the box.
    ExecCwd = "EXEC_CWD" in ExecutionError;
    /// The user or group does not exist in the box.
    ExecUser = "EXEC_USER" in ExecutionError;
    /// The process could not be started for another reason.
    ExecFailed = "EXEC_FAILED" in ExecutionError;
    /// The box has no such execution.
    ExecNotFound = "EXEC_NOT_FOUND" in ExecutionError;
    /// The execution ran longer than `timeoutMs` and was ended.
    ExecTimeout = "EXEC_TIMEOUT" in ExecutionError;
    /// The execution ended with a non-zero exit and `check` was set.
    ExecNonZero = "EXEC_NON_ZERO" in ExecutionError;
    /// The collected output exceeded `maxBuffer`.
    ExecMaxBuffer = "EXEC_MAX_BUFFER" in ExecutionError;
    /// The execution takes no input: it was started without, or another handle has ended it.
    ExecInputClosed = "EXEC_INPUT_CLOSED" in ExecutionError;
    /// What an execution's input was read from failed.
    ExecInputFailed = "EXEC_INPUT_FAILED" in ExecutionError;
    /// Output that a reader had yet to come for is gone.
    ExecOutputLost = "EXEC_OUTPUT_LOST" in ExecutionError;
    /// The operation was aborted by its `AbortSignal`.
    Aborted = "ABORTED" in ExecutionError;

    /// A kernel refused a file operation; the error's own code is then its errno's name, such as `ENOENT`.
    FileRefused = "FILE_REFUSED" in FileError;
    /// A tar stream is malformed, broke off, or wants to leave its folder.
    ArchiveInvalid = "ARCHIVE_INVALID" in FileError;
    /// A copy out of a box holds more than `maxBytes` or `maxEntries` allow.
    CopyTooLarge = "COPY_TOO_LARGE" in FileError;
    /// A directory or a tree has more entries than one listing may hold.
    ListingTooLarge = "LISTING_TOO_LARGE" in FileError;

    /// A bug in boxlite.
    Internal = "INTERNAL" in InternalError;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_upper_snake_case() {
        let codes: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
        assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')));
    }
}
