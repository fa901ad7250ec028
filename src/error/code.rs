//! The list of error codes. A code is stable API: programs match on it. A face may group codes into classes of its own.

use crate::named;

named! {
    /// What went wrong, for programs to match on.
    #[non_exhaustive]
    pub enum ErrorCode {
        /// An option has the wrong type, or a value outside its range.
        InvalidArgument = "INVALID_ARGUMENT",

        /// Another process hangs while it changes the home's list of boxes.
        HomeLocked = "HOME_LOCKED",
        /// A newer version of boxlite made the box: this one does not know what its files mean.
        HomeIncompatible = "HOME_INCOMPATIBLE",
        /// This process or its user may have no more descriptors, processes or threads.
        HostLimit = "HOST_LIMIT",
        /// The runtime was closed.
        RuntimeClosed = "RUNTIME_CLOSED",
        /// The native library, the shim, the kernel or the initramfs is missing or was built for another version.
        PartMissing = "PART_MISSING",

        /// No box has this id or name.
        BoxNotFound = "BOX_NOT_FOUND",
        /// A box of this name exists.
        BoxNameTaken = "BOX_NAME_TAKEN",
        /// The box's state does not allow the operation.
        BoxState = "BOX_STATE",
        /// Another process has been changing the box for very long.
        BoxBusy = "BOX_BUSY",
        /// The box was removed.
        BoxRemoved = "BOX_REMOVED",

        /// The image reference can't be parsed.
        ImageReference = "IMAGE_REFERENCE",
        /// The registry or the folder has no such image.
        ImageNotFound = "IMAGE_NOT_FOUND",
        /// The image is not in the cache and the pull policy forbids fetching it.
        ImageNotCached = "IMAGE_NOT_CACHED",
        /// The registry refuses access.
        ImageUnauthorized = "IMAGE_UNAUTHORIZED",
        /// The image has no variant for this machine's architecture.
        ImagePlatform = "IMAGE_PLATFORM",
        /// A blob's bytes do not match its digest.
        ImageDigestMismatch = "IMAGE_DIGEST_MISMATCH",
        /// A manifest, config or layer is truncated or malformed.
        ImageCorrupt = "IMAGE_CORRUPT",
        /// The image exceeds a size bound.
        ImageTooLarge = "IMAGE_TOO_LARGE",
        /// The image uses something that can't be represented.
        ImageUnsupported = "IMAGE_UNSUPPORTED",
        /// The pull was cancelled.
        ImageCancelled = "IMAGE_CANCELLED",
        /// The registry can't be reached.
        RegistryUnreachable = "REGISTRY_UNREACHABLE",
        /// The registry answered with an error.
        RegistryFailed = "REGISTRY_FAILED",
        /// The registry limits the rate of requests.
        RegistryRateLimited = "REGISTRY_RATE_LIMITED",

        /// The host's disk is full.
        StorageFull = "STORAGE_FULL",
        /// The host's file system refused an operation.
        StorageIo = "STORAGE_IO",
        /// A file of the home is damaged.
        StorageCorrupt = "STORAGE_CORRUPT",

        /// No engine can run on this machine, or the requested one can't.
        EngineUnsupported = "ENGINE_UNSUPPORTED",
        /// The engine failed to set up or run the machine.
        EngineFailed = "ENGINE_FAILED",
        /// The guest did not come up, or refused its set-up.
        GuestFailed = "GUEST_FAILED",
        /// The guest did not answer in time.
        GuestTimeout = "GUEST_TIMEOUT",

        /// The connection to the guest was lost.
        PortalLost = "PORTAL_LOST",
        /// The guest answered an RPC with an error, or broke the protocol.
        Rpc = "RPC",

        /// The command was not found in the box.
        CommandNotFound = "COMMAND_NOT_FOUND",
        /// The command can't be executed (permissions, or not an executable).
        CommandNotExecutable = "COMMAND_NOT_EXECUTABLE",
        /// The working directory does not exist in the box.
        ExecCwd = "EXEC_CWD",
        /// The user or group does not exist in the box.
        ExecUser = "EXEC_USER",
        /// The process could not be started for another reason.
        ExecFailed = "EXEC_FAILED",
        /// The box has no such execution.
        ExecNotFound = "EXEC_NOT_FOUND",
        /// The execution ran longer than its `timeout_ms` and was ended.
        ExecTimeout = "EXEC_TIMEOUT",
        /// The execution ended with a non-zero exit and `check` was set.
        ExecNonZero = "EXEC_NON_ZERO",
        /// The collected output exceeded its bound.
        ExecMaxBuffer = "EXEC_MAX_BUFFER",
        /// The execution takes no input: it was started without, or another handle has ended it.
        ExecInputClosed = "EXEC_INPUT_CLOSED",
        /// The source of an execution's input failed.
        ExecInputFailed = "EXEC_INPUT_FAILED",
        /// Output that a reader had not read yet is gone.
        ExecOutputLost = "EXEC_OUTPUT_LOST",
        /// The operation was aborted by its caller.
        Aborted = "ABORTED",

        /// A kernel refused a file operation; the error's own code is then its errno's name, such as `ENOENT`.
        FileRefused = "FILE_REFUSED",
        /// A tar stream is malformed, broke off, or wants to leave its folder.
        ArchiveInvalid = "ARCHIVE_INVALID",
        /// A copy out of a box holds more than its bounds allow.
        CopyTooLarge = "COPY_TOO_LARGE",
        /// A directory or a tree has more entries than one listing may hold.
        ListingTooLarge = "LISTING_TOO_LARGE",

        /// The box's network could not be set up, or can't do what was asked.
        NetworkFailed = "NETWORK_FAILED",
        /// A port of the host is taken.
        PortInUse = "PORT_IN_USE",
        /// The host does not let this program listen on a port or an address.
        PortDenied = "PORT_DENIED",
        /// Nothing listens on a port in the box, or the box has reset the connection.
        PortClosed = "PORT_CLOSED",

        /// A bug in boxlite.
        Internal = "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_upper_snake_case() {
        let codes: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
        assert!(ErrorCode::ALL.iter().all(|code| code.to_string().parse() == Ok(*code)));
        assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')));
    }
}
