//! `Files`: the files of a box, and the verbs on their names. Made by `LiteBox::files`; each operation starts the box if it does not
//! run, and calls the guest through `boxlite-portal`. The other files of this folder have the verbs of one noun each.

use std::{
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
};

use boxlite_error::{BoxliteError, BoxliteResult};
use boxlite_portal::{CopyOptions, FileCall, FileStat, FileSystemStat, FilesInterface};
use bytes::Bytes;
use nix::errno::Errno;

use crate::{
    in_context::in_context,
    litebox::{core::BoxCore, lifecycle::machine::Machine},
};

/// The files of one box as its processes see them, mounts included. Relative paths begin at the box's working directory. A call
/// fails with a [`FileFault`](crate::FileFault) for what the box's kernel refuses, and with the errors of [`LiteBox::start`](crate::LiteBox::start) if the box can't be
/// started. Clones share the box.
#[derive(Debug, Clone)]
pub struct Files {
    pub(super) core: Arc<BoxCore>,
    /// Who acts; empty is root.
    user: Arc<str>,
}

/// Declares verbs: each is one call of the guest, the [`FileCall`] of the same name. What comes before the semicolon are paths.
macro_rules! verbs {
    ($($(#[$doc:meta])* fn $verb:ident($($path:ident),+; $($argument:ident: $type:ty),*) -> $answer:ty;)+) => {
        impl Files {
            $($(#[$doc])*
            pub async fn $verb(
                &self,
                $($path: impl AsRef<Path>,)+
                $($argument: $type,)*
            ) -> BoxliteResult<$answer> {
                self.call(FileCall::$verb($($path.as_ref(),)+ $($argument,)*)).await
            })+
        }
    };
}

verbs! {
    /// Returns if the file exists and allows what `mode` says: bits of `R_OK` (4), `W_OK` (2) and `X_OK` (1).
    ///
    /// # Errors
    ///
    /// A `FileFault` of `access`.
    fn access(path; mode: u32) -> ();

    /// Renames a file or directory; a file at `to` is replaced.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `rename`.
    fn rename(from, to;) -> ();

    /// What a symlink says.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `readlink`.
    fn read_link(path;) -> PathBuf;

    /// The absolute path of a file, without symlinks.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `realpath`.
    fn real_path(path;) -> PathBuf;

    /// Makes `path` another name of the file `existing`.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `link`.
    fn link(existing, path;) -> ();

    /// Removes a file or a symlink.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `unlink`.
    fn unlink(path;) -> ();

    /// Makes a file `length` bytes long.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `open` or `ftruncate`.
    fn truncate(path; length: u64) -> ();

    /// Makes a directory with the permissions `mode`, less the umask of `0o022`; with `recursive` its parents too, and then one that
    /// exists is no failure. Returns the first directory that `recursive` made.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `mkdir`.
    fn mkdir(path; mode: u32, recursive: bool) -> Option<PathBuf>;

    /// Makes a directory of a new name that begins with `prefix`, and returns its path.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `mkdtemp`.
    fn mkdtemp(prefix;) -> PathBuf;

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `rmdir`.
    fn rmdir(path;) -> ();

    /// Copies one file with its mode. With `exclusive`, `to` must not exist.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `copyfile`.
    fn copy_file(from, to; exclusive: bool) -> ();

    /// Copies a file or a tree inside the box. Files and symlinks replace their like, and directories are merged.
    ///
    /// # Errors
    ///
    /// A `FileFault`, whose refusal (`ERR_FS_CP_EINVAL`) says what can't be copied.
    fn copy(from, to; options: CopyOptions) -> ();

    /// Copies one level, for callers that choose what to copy: with no `names` only what is at `from`, otherwise what has those names
    /// in the directory `from`. Returns for each whether it is a directory that is to be filled.
    ///
    /// # Errors
    ///
    /// Those of [`copy`](Self::copy).
    fn copy_shallow(from, to; names: &[String], options: CopyOptions) -> Vec<bool>;

    /// Changes permissions.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `chmod`.
    fn chmod(path; mode: u32) -> ();

    /// Changes the owner; `None` leaves the user or the group as it is. With `follow`, of what a symlink leads to, otherwise of the
    /// symlink itself.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `chown` or `lchown`.
    fn chown(path; uid: Option<u32>, gid: Option<u32>, follow: bool) -> ();

    /// Sets access and modification time, in nanoseconds since the Unix epoch; `follow` as in [`chown`](Self::chown).
    ///
    /// # Errors
    ///
    /// A `FileFault` of `utime` or `lutime`.
    fn set_times(path; atime_ns: i64, mtime_ns: i64, follow: bool) -> ();

    /// How full the file system of `path` is.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `statfs`.
    fn stat_fs(path;) -> FileSystemStat;

    /// The value of an extended attribute, such as `user.origin`; `follow` as in [`chown`](Self::chown).
    ///
    /// # Errors
    ///
    /// A `FileFault` of `getxattr`: `ENODATA` if there is no such attribute.
    fn get_xattr(path; name: &str, follow: bool) -> Bytes;

    /// Removes an extended attribute; `follow` as in [`chown`](Self::chown).
    ///
    /// # Errors
    ///
    /// A `FileFault` of `removexattr`: `ENODATA` if there is no such attribute.
    fn remove_xattr(path; name: &str, follow: bool) -> ();
}

impl Files {
    pub(in crate::litebox) fn new(core: Arc<BoxCore>) -> Self {
        Self { core, user: Arc::default() }
    }

    /// The same files for another user of the box: "name", "uid", "name:group" or "uid:gid".
    #[must_use]
    pub fn as_user(&self, user: &str) -> Self {
        Self { core: Arc::clone(&self.core), user: user.into() }
    }

    /// Whether something exists at `path`.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `access`, if that can't be found out.
    pub async fn exists(&self, path: impl AsRef<Path>) -> BoxliteResult<bool> {
        match self.access(path, 0).await {
            Ok(()) => Ok(true),
            Err(error) if matches!(errno(&error), Some(Errno::ENOENT | Errno::ENOTDIR)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The attributes of what `path` leads to.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `stat`.
    pub async fn stat(&self, path: impl AsRef<Path>) -> BoxliteResult<FileStat> {
        self.call(FileCall::stat(path.as_ref(), true)).await
    }

    /// The attributes of `path` itself, which may be a symlink.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `lstat`.
    pub async fn lstat(&self, path: impl AsRef<Path>) -> BoxliteResult<FileStat> {
        self.call(FileCall::stat(path.as_ref(), false)).await
    }

    /// Makes `path` a symlink to `target`.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `symlink`.
    pub async fn symlink(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> BoxliteResult<()> {
        self.call(FileCall::symlink(path.as_ref(), target.as_ref())).await
    }

    /// Sets an extended attribute, of 64 KiB at most, with `XATTR_CREATE` (1), `XATTR_REPLACE` (2) or neither (0) as `flags`;
    /// `follow` as in [`chown`](Self::chown).
    ///
    /// # Errors
    ///
    /// A `FileFault` of `setxattr`: `EEXIST` and `ENODATA` for what the flags forbid.
    pub async fn set_xattr(
        &self,
        path: impl AsRef<Path>,
        name: &str,
        value: impl Into<Bytes>,
        flags: u32,
        follow: bool,
    ) -> BoxliteResult<()> {
        self.call(FileCall::set_xattr(path.as_ref(), name, value.into(), flags, follow)).await
    }

    /// The names of all extended attributes, sorted; `follow` as in [`chown`](Self::chown). What is no UTF-8 is replaced.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `listxattr`.
    pub async fn list_xattr(&self, path: impl AsRef<Path>, follow: bool) -> BoxliteResult<Vec<String>> {
        let list = self.call(FileCall::list_xattr(path.as_ref(), follow)).await?;
        let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let mut names: Vec<_> = names.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        names.sort_unstable();
        Ok(names)
    }

    pub(super) async fn call<T>(&self, call: FileCall<T>) -> BoxliteResult<T> {
        let (machine, interface) = self.reach().await?;
        self.core.explained(&machine, pin!(interface.call(call))).await
    }

    /// The running machine and the calls of its files, once no watch is pending.
    pub(super) async fn reach(&self) -> BoxliteResult<(Arc<Machine>, FilesInterface)> {
        let machine = async {
            self.core.watches.settled().await;
            self.core.machine(None).await
        };
        let machine = in_context(&self.core.home.handle, pin!(machine)).await?;
        let interface = self.interface(&machine);
        Ok((machine, interface))
    }

    pub(super) fn interface(&self, machine: &Machine) -> FilesInterface {
        machine.session.files().as_user(Arc::clone(&self.user))
    }
}

/// The errno of what the box's kernel refused.
pub(super) fn errno(error: &BoxliteError) -> Option<Errno> {
    let fault = error.file().filter(|fault| fault.refusal.is_none())?;
    Some(Errno::from_raw(fault.errno))
}
