//! The attributes of files: `Files::stat`, `chmod`, `chown` and their like, each one call of the guest.

use std::path::Path;

use boxlite_error::BoxliteResult;
use boxlite_portal::{FileCall, FileStat, FileSystemStat};

use crate::litebox::files::verbs::Files;

impl Files {
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

    /// Changes permissions.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `chmod`.
    pub async fn chmod(&self, path: impl AsRef<Path>, mode: u32) -> BoxliteResult<()> {
        self.call(FileCall::chmod(path.as_ref(), mode)).await
    }

    /// Changes the owner; `None` leaves the user or the group as it is. With `follow`, of what a symlink leads to, otherwise of the
    /// symlink itself.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `chown` or `lchown`.
    pub async fn chown(
        &self,
        path: impl AsRef<Path>,
        uid: Option<u32>,
        gid: Option<u32>,
        follow: bool,
    ) -> BoxliteResult<()> {
        self.call(FileCall::chown(path.as_ref(), uid, gid, follow)).await
    }

    /// Sets access and modification time, in nanoseconds since the Unix epoch; `follow` as in [`chown`](Self::chown).
    ///
    /// # Errors
    ///
    /// A `FileFault` of `utime` or `lutime`.
    pub async fn set_times(
        &self,
        path: impl AsRef<Path>,
        atime_ns: i64,
        mtime_ns: i64,
        follow: bool,
    ) -> BoxliteResult<()> {
        self.call(FileCall::set_times(path.as_ref(), atime_ns, mtime_ns, follow)).await
    }

    /// How full the file system of `path` is.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `statfs`.
    pub async fn stat_fs(&self, path: impl AsRef<Path>) -> BoxliteResult<FileSystemStat> {
        self.call(FileCall::stat_fs(path.as_ref())).await
    }
}
