//! `FileCall`: one operation on files, with the type of its answer. `FilesInterface::call` performs it.

use std::path::{Path, PathBuf};

use boxlite_proto::v1::{FileAnswer, FileOperation as Operation, FileRequest};
use bytes::Bytes;

use super::{
    options::CopyOptions,
    stat::{FileStat, FileSystemStat},
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

impl<T> FileCall<T> {
    fn new(operation: Operation, target: FileTarget, read: fn(FileAnswer) -> Option<T>) -> Self {
        let (path, handle) = target.into_parts();
        Self {
            request: FileRequest { operation: operation.into(), path, handle, ..FileRequest::default() },
            read,
        }
    }

    fn with(mut self, set: impl FnOnce(&mut FileRequest)) -> Self {
        set(&mut self.request);
        self
    }
}

/// Operations that answer nothing.
impl FileCall<()> {
    fn on(operation: Operation, target: impl Into<FileTarget>) -> Self {
        Self::new(operation, target.into(), |_| Some(()))
    }

    /// access(2) with bits of `R_OK`, `W_OK` and `X_OK`.
    pub fn access(path: &Path, mode: u32) -> Self {
        Self::on(Operation::Access, path).with(|request| request.mode = mode)
    }

    /// rmdir(2).
    pub fn rmdir(path: &Path) -> Self {
        Self::on(Operation::Rmdir, path)
    }

    /// unlink(2).
    pub fn unlink(path: &Path) -> Self {
        Self::on(Operation::Unlink, path)
    }

    /// Removes a file, or with `recursive` a tree; with `force` it need not exist.
    pub fn remove(path: &Path, recursive: bool, force: bool) -> Self {
        Self::on(Operation::Remove, path)
            .with(|request| (request.recursive, request.force) = (recursive, force))
    }

    /// rename(2).
    pub fn rename(from: &Path, to: &Path) -> Self {
        Self::on(Operation::Rename, from).with(|request| request.to = bytes_of(to))
    }

    /// Copies one file with its mode; with `exclusive` the target must not exist.
    pub fn copy_file(from: &Path, to: &Path, exclusive: bool) -> Self {
        Self::on(Operation::CopyFile, from).with(|request| {
            request.to = bytes_of(to);
            request.exclusive = exclusive;
        })
    }

    /// Copies a file or a tree.
    pub fn copy(from: &Path, to: &Path, options: CopyOptions) -> Self {
        Self::on(Operation::Copy, from).with(|request| copying(request, to, options))
    }

    /// symlink(2): `path` will lead to `target`.
    pub fn symlink(target: &Path, path: &Path) -> Self {
        Self::on(Operation::Symlink, path).with(|request| request.to = bytes_of(target))
    }

    /// link(2).
    pub fn link(existing: &Path, path: &Path) -> Self {
        Self::on(Operation::Link, existing).with(|request| request.to = bytes_of(path))
    }

    /// chmod(2) or fchmod(2).
    pub fn chmod(target: impl Into<FileTarget>, mode: u32) -> Self {
        Self::on(Operation::Chmod, target).with(|request| request.mode = mode)
    }

    /// chown(2), lchown(2) or fchown(2); `None` leaves a user or a group as it is.
    pub fn chown(target: impl Into<FileTarget>, uid: Option<u32>, gid: Option<u32>, follow: bool) -> Self {
        Self::on(Operation::Chown, target).with(|request| {
            request.uid = uid.unwrap_or(UNCHANGED);
            request.gid = gid.unwrap_or(UNCHANGED);
            request.follow = follow;
        })
    }

    /// utimensat(2) or futimens(2), in nanoseconds since the Unix epoch.
    pub fn set_times(target: impl Into<FileTarget>, atime_ns: i64, mtime_ns: i64, follow: bool) -> Self {
        Self::on(Operation::SetTimes, target).with(|request| {
            (request.atime_ns, request.mtime_ns, request.follow) = (atime_ns, mtime_ns, follow);
        })
    }

    /// truncate(2) or ftruncate(2).
    pub fn truncate(target: impl Into<FileTarget>, length: u64) -> Self {
        Self::on(Operation::Truncate, target).with(|request| request.length = length)
    }

    /// Closes an open file.
    pub fn close(handle: u64) -> Self {
        Self::on(Operation::Close, FileTarget::Handle(handle))
    }

    /// fsync(2), or with `data_only` fdatasync(2).
    pub fn sync(handle: u64, data_only: bool) -> Self {
        Self::on(Operation::Sync, FileTarget::Handle(handle)).with(|request| request.data_only = data_only)
    }

    /// setxattr(2) or lsetxattr(2), with `XATTR_CREATE` (1) or `XATTR_REPLACE` (2) as flags.
    pub fn set_xattr(path: &Path, name: &str, value: Bytes, flags: u32, follow: bool) -> Self {
        Self::on(Operation::SetXattr, path).with(|request| {
            attribute(request, name, follow);
            (request.data, request.flags) = (value, flags);
        })
    }

    /// removexattr(2) or lremovexattr(2).
    pub fn remove_xattr(path: &Path, name: &str, follow: bool) -> Self {
        Self::on(Operation::RemoveXattr, path).with(|request| attribute(request, name, follow))
    }
}

impl FileCall<FileStat> {
    /// stat(2), lstat(2) or fstat(2).
    pub fn stat(target: impl Into<FileTarget>, follow: bool) -> Self {
        Self::new(Operation::Stat, target.into(), |answer| answer.stat.map(FileStat::from))
            .with(|request| request.follow = follow)
    }
}

impl FileCall<FileSystemStat> {
    /// statfs(2).
    pub fn stat_fs(path: &Path) -> Self {
        Self::new(Operation::StatFs, path.into(), |answer| answer.file_system.map(FileSystemStat::from))
    }
}

impl FileCall<Option<PathBuf>> {
    /// mkdir(2); with `recursive` its parents too. Answers the first directory that was made.
    pub fn mkdir(path: &Path, mode: u32, recursive: bool) -> Self {
        let read = |answer: FileAnswer| Some((!answer.path.is_empty()).then(|| path_of(answer.path)));
        Self::new(Operation::Mkdir, path.into(), read)
            .with(|request| (request.mode, request.recursive) = (mode, recursive))
    }
}

impl FileCall<PathBuf> {
    /// mkdtemp(3): answers the directory that was made.
    pub fn mkdtemp(prefix: &Path) -> Self {
        Self::new(Operation::Mkdtemp, prefix.into(), |answer| Some(path_of(answer.path)))
    }

    /// readlink(2).
    pub fn read_link(link: &Path) -> Self {
        Self::new(Operation::ReadLink, link.into(), |answer| Some(path_of(answer.path)))
    }

    /// realpath(3).
    pub fn real_path(file: &Path) -> Self {
        Self::new(Operation::RealPath, file.into(), |answer| Some(path_of(answer.path)))
    }
}

impl FileCall<u64> {
    /// open(2): answers the number of the open file.
    pub fn open(path: &Path, flags: u32, mode: u32) -> Self {
        Self::new(Operation::Open, path.into(), |answer| Some(answer.handle))
            .with(|request| (request.flags, request.mode) = (flags, mode))
    }

    /// Writes all of `data`, at `offset` or at the current position. Answers how many bytes that were.
    pub fn write_at(handle: u64, data: Bytes, offset: Option<u64>) -> Self {
        Self::new(Operation::WriteAt, FileTarget::Handle(handle), |answer| Some(answer.count))
            .with(|request| (request.data, request.offset) = (data, offset))
    }
}

impl FileCall<Bytes> {
    /// Reads `length` bytes, at `offset` or at the current position; fewer only at the end of the file.
    pub fn read_at(handle: u64, length: u64, offset: Option<u64>) -> Self {
        Self::new(Operation::ReadAt, FileTarget::Handle(handle), |answer| Some(answer.data))
            .with(|request| (request.length, request.offset) = (length, offset))
    }

    /// getxattr(2) or lgetxattr(2).
    pub fn get_xattr(path: &Path, name: &str, follow: bool) -> Self {
        Self::new(Operation::GetXattr, path.into(), |answer| Some(answer.data))
            .with(|request| attribute(request, name, follow))
    }

    /// listxattr(2) or llistxattr(2): each name with a NUL at its end.
    pub fn list_xattr(path: &Path, follow: bool) -> Self {
        Self::new(Operation::ListXattr, path.into(), |answer| Some(answer.data))
            .with(|request| request.follow = follow)
    }
}

impl FileCall<Vec<bool>> {
    /// Copies a directory without what is in it, or of what is in it only `names`. Answers, for each, whether it is a directory that
    /// is to be filled.
    pub fn copy_shallow(from: &Path, to: &Path, names: &[String], options: CopyOptions) -> Self {
        let read = |answer: FileAnswer| Some(answer.data.iter().map(|byte| *byte == 1).collect());
        Self::new(Operation::Copy, from.into(), read).with(|request| {
            copying(request, to, options);
            request.shallow = true;
            request.names = names.iter().map(|name| Bytes::copy_from_slice(name.as_bytes())).collect();
        })
    }
}

fn attribute(request: &mut FileRequest, name: &str, follow: bool) {
    request.name = Bytes::copy_from_slice(name.as_bytes());
    request.follow = follow;
}

fn copying(request: &mut FileRequest, to: &Path, options: CopyOptions) {
    request.to = bytes_of(to);
    request.recursive = options.recursive;
    request.force = options.overwrite;
    request.exclusive = options.error_on_exist && !options.overwrite;
    request.follow = options.dereference;
    request.preserve = options.preserve_times;
    request.verbatim = options.verbatim_symlinks;
}
