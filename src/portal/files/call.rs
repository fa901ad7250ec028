//! `FileCall`: one operation on files, with the type of its answer. `FilesInterface::call` performs it.

use std::path::{Path, PathBuf};

use boxlite_proto::v1::{FileAnswer, FileOperation, FileRequest, FileStat, FileSystemStat};
use bytes::Bytes;

use super::{
    options::CopyOptions,
    target::{FileTarget, bytes_of, path_of},
};

/// Leaves a user or a group as it is, in the protocol.
const UNCHANGED: u32 = u32::MAX;

/// One operation, and what of the answer is its result.
#[derive(Debug)]
pub struct FileCall<T> {
    pub(super) request: FileRequest,
    pub(super) read: fn(FileAnswer) -> Option<T>,
}

/// Declares the operations. Each is a function whose first argument is the file, and which fills in the named fields of the protocol's
/// request. Operations with the same type of answer form a group, which begins with that type and with how it is read.
macro_rules! operations {
    ($($answer:ty, $read:expr => {$(
        $(#[$doc:meta])*
        $name:ident($file:ident: $of:ty $(, $arg:ident: $type:ty)*) = $operation:ident { $($field:ident $(: $value:expr)?),* }
    )+})+) => {$(
        impl FileCall<$answer> {$(
            $(#[$doc])*
            pub fn $name($file: $of $(, $arg: $type)*) -> Self {
                let operation = FileOperation::$operation.into();
                let file = Into::<FileTarget>::into($file).request();
                let request = FileRequest { operation, $($field $(: $value)?,)* ..file };
                Self { request, read: $read }
            }
        )+}
    )+};
}

operations! {
    (), |_| Some(()) => {
        /// access(2) with bits of `R_OK`, `W_OK` and `X_OK`.
        access(path: &Path, mode: u32) = Access { mode }
        /// rmdir(2).
        rmdir(path: &Path) = Rmdir {}
        /// unlink(2).
        unlink(path: &Path) = Unlink {}
        /// Removes a file, or with `recursive` a tree; with `force` it need not exist.
        remove(path: &Path, recursive: bool, force: bool) = Remove { recursive, force }
        /// rename(2).
        rename(from: &Path, to: &Path) = Rename { to: bytes_of(to) }
        /// Copies one file with its mode; with `exclusive` the target must not exist.
        copy_file(from: &Path, to: &Path, exclusive: bool) = CopyFile { to: bytes_of(to), exclusive }
        /// Copies a file or a tree.
        copy(from: &Path, to: &Path, options: CopyOptions) = Copy {
            to: bytes_of(to),
            recursive: options.recursive,
            force: options.overwrite,
            exclusive: options.error_on_exist && !options.overwrite,
            follow: options.dereference,
            preserve: options.preserve_times,
            verbatim: options.verbatim_symlinks
        }
        /// symlink(2): `path` will lead to `target`.
        symlink(path: &Path, target: &Path) = Symlink { to: bytes_of(target) }
        /// link(2).
        link(existing: &Path, path: &Path) = Link { to: bytes_of(path) }
        /// chmod(2) or fchmod(2).
        chmod(file: impl Into<FileTarget>, mode: u32) = Chmod { mode }
        /// chown(2), lchown(2) or fchown(2); `None` leaves a user or a group as it is.
        chown(file: impl Into<FileTarget>, uid: Option<u32>, gid: Option<u32>, follow: bool) = Chown {
            uid: uid.unwrap_or(UNCHANGED),
            gid: gid.unwrap_or(UNCHANGED),
            follow
        }
        /// utimensat(2) or futimens(2), in nanoseconds since the Unix epoch.
        set_times(file: impl Into<FileTarget>, atime_ns: i64, mtime_ns: i64, follow: bool) = SetTimes { atime_ns, mtime_ns, follow }
        /// truncate(2) or ftruncate(2).
        truncate(file: impl Into<FileTarget>, length: u64) = Truncate { length }
        /// Closes an open file.
        close(file: FileTarget) = Close {}
        /// fsync(2), or with `data_only` fdatasync(2).
        sync(file: FileTarget, data_only: bool) = Sync { data_only }
        /// setxattr(2) or lsetxattr(2), with `XATTR_CREATE` (1) or `XATTR_REPLACE` (2) as flags.
        set_xattr(path: &Path, name: &str, data: Bytes, flags: u32, follow: bool) = SetXattr { name: bytes_of(name), data, flags, follow }
        /// removexattr(2) or lremovexattr(2).
        remove_xattr(path: &Path, name: &str, follow: bool) = RemoveXattr { name: bytes_of(name), follow }
    }
    FileStat, |answer| answer.stat => {
        /// stat(2), lstat(2) or fstat(2).
        stat(file: impl Into<FileTarget>, follow: bool) = Stat { follow }
    }
    FileSystemStat, |answer| answer.file_system => {
        /// statfs(2).
        stat_fs(path: &Path) = StatFs {}
    }
    Option<PathBuf>, |answer| Some((!answer.path.is_empty()).then(|| path_of(answer.path))) => {
        /// mkdir(2); with `recursive` its parents too. Answers the first directory that was made.
        mkdir(path: &Path, mode: u32, recursive: bool) = Mkdir { mode, recursive }
    }
    PathBuf, |answer| Some(path_of(answer.path)) => {
        /// mkdtemp(3): answers the directory that was made.
        mkdtemp(prefix: &Path) = Mkdtemp {}
        /// readlink(2).
        read_link(link: &Path) = ReadLink {}
        /// realpath(3).
        real_path(path: &Path) = RealPath {}
    }
    u64, |answer| Some(answer.handle) => {
        /// open(2): answers the number of the open file.
        open(path: &Path, flags: u32, mode: u32) = Open { flags, mode }
    }
    u64, |answer| Some(answer.count) => {
        /// Writes all of `data`, at `offset` or at the current position. Answers how many bytes that were.
        write_at(file: FileTarget, data: Bytes, offset: Option<u64>) = WriteAt { data, offset }
    }
    Bytes, |answer| Some(answer.data) => {
        /// Reads `length` bytes, at `offset` or at the current position; fewer only at the end of the file.
        read_at(file: FileTarget, length: u64, offset: Option<u64>) = ReadAt { length, offset }
        /// getxattr(2) or lgetxattr(2).
        get_xattr(path: &Path, name: &str, follow: bool) = GetXattr { name: bytes_of(name), follow }
        /// listxattr(2) or llistxattr(2): each name with a NUL at its end.
        list_xattr(path: &Path, follow: bool) = ListXattr { follow }
    }
}

impl FileCall<Vec<bool>> {
    /// Copies a directory without what is in it, or of what is in it only `names`. Answers, for each, whether it is a directory that
    /// is to be filled.
    pub fn copy_shallow(from: &Path, to: &Path, names: &[String], options: CopyOptions) -> Self {
        let names = names.iter().map(bytes_of).collect();
        let request = FileRequest { shallow: true, names, ..FileCall::copy(from, to, options).request };
        Self { request, read: |answer| Some(answer.data.iter().map(|byte| *byte == 1).collect()) }
    }
}
