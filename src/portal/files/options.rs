//! How files are read, written and copied.

use boxlite_proto::v1::{CopyInRequest, FileRequest};
use std::path::PathBuf;

use super::{
    open_flags,
    target::{FileTarget, bytes_of},
};

/// How to read a file as a stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadOptions {
    /// Flags of [`open_flags`]. Default: reading only.
    pub flags: u32,
    /// Permissions of a file that the flags make, less the umask of `0o022`. Default: 0.
    pub mode: u32,
    /// The position of the first byte. Default: 0; of an open file its current position, which moves.
    pub offset: Option<u64>,
    /// The most bytes to read. Default: to the end of the file.
    pub length: Option<u64>,
    /// Wait until the file is open, so that a file that is not there is an error of the opening and not of the first chunk.
    pub await_open: bool,
}

impl ReadOptions {
    pub(super) fn request(self, target: FileTarget, user: &str) -> FileRequest {
        let Self { flags, mode, offset, length, await_open: opened } = self;
        let (length, user) = (length.unwrap_or(u64::MAX), user.to_owned());
        FileRequest { flags, mode, offset, length, opened, user, ..target.request() }
    }
}

/// How to write a file.
#[derive(Debug, Clone, Copy)]
pub struct WriteOptions {
    /// Flags of [`open_flags`]. Default: makes the file, or empties it.
    pub flags: u32,
    /// Permissions of a new file, less the umask of `0o022`. Default: `0o666`.
    pub mode: u32,
    /// The position of the first byte. Default: where the flags put it; of an open file its current position, which moves.
    pub offset: Option<u64>,
    /// Bring the data to the box's disk before the write is done. Default: no.
    pub flush: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        let flags = open_flags::WRITE_ONLY | open_flags::CREATE | open_flags::TRUNCATE;
        Self { flags, mode: 0o666, offset: None, flush: false }
    }
}

impl WriteOptions {
    pub(super) fn request(self, target: FileTarget, user: &str) -> FileRequest {
        let Self { flags, mode, offset, flush } = self;
        FileRequest { flags, mode, offset, flush, user: user.to_owned(), ..target.request() }
    }
}

/// How to copy files and trees inside a box.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct CopyOptions {
    /// Copy directories with all that is in them. Default: no.
    pub recursive: bool,
    /// Overwrite files. Default: yes.
    pub overwrite: bool,
    /// Without `overwrite`, fail where a file exists. Default: no, it is left as it is.
    pub error_on_exist: bool,
    /// Copy what symlinks lead to. Default: no.
    pub dereference: bool,
    /// Keep access and modification times. Default: no.
    pub preserve_times: bool,
    /// Keep symlinks as they are written; otherwise relative ones become absolute. Default: no.
    pub verbatim_symlinks: bool,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            recursive: false,
            overwrite: true,
            error_on_exist: false,
            dereference: false,
            preserve_times: false,
            verbatim_symlinks: false,
        }
    }
}

/// Where an archive is unpacked in the box.
#[derive(Debug, Clone, Default)]
pub struct ArchiveTarget {
    /// The path; for a tar stream a directory, made if it is missing.
    pub path: PathBuf,
    /// Whether the stream is one of `boxlite-archive` and not a tar archive.
    pub tree: bool,
    /// What a file is called where `path` is a directory.
    pub name: PathBuf,
    /// To whom everything belongs, as commands name a user. Default: to root; for a tar archive, to whom it names.
    pub owner: Option<String>,
    /// Whether entries of another type are replaced.
    pub replace: bool,
}

impl ArchiveTarget {
    pub(super) fn request(self) -> CopyInRequest {
        let Self { path, tree, name, owner, replace } = self;
        CopyInRequest {
            path: bytes_of(&path),
            owners: !tree && owner.is_none(),
            tree,
            name: bytes_of(&name),
            owner: owner.unwrap_or_default(),
            replace,
            ..CopyInRequest::default()
        }
    }
}
