//! `Files`: the files of a box. Made by `LiteBox::files`; each operation starts the box if it does not run. Copies between host and
//! box are in `copy_in` and `copy_out`. Everything is asked of the guest through `boxlite-portal`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use boxlite_error::{BoxliteError, BoxliteResult, FileFault};
use boxlite_portal::{
    CopyOptions, DirectoryEntry, FileCall, FileChange, FileStat, FileSystemStat, FileTarget, FilesInterface,
    ReadOptions, WriteOptions,
};
use boxlite_wire::limits;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use nix::errno::Errno;
use tokio::time::sleep;

use crate::litebox::{
    core::BoxCore,
    files::{
        stream::{FileStream, append},
        writer::FileWriter,
    },
    lifecycle::machine::Machine,
};

/// The files of one box as its processes see them, mounts included. Relative paths begin at the box's working directory. A call
/// fails with a [`FileFault`] for what the box's kernel refuses, and with the errors of [`LiteBox::start`](crate::LiteBox::start) if the box can't be
/// started. Clones share the box.
#[derive(Debug, Clone)]
pub struct Files {
    core: Arc<BoxCore>,
    /// Who acts; empty is root.
    user: Arc<str>,
}

/// How to remove a file or a tree.
#[derive(Debug, Clone, Copy)]
pub struct RemoveOptions {
    /// Remove a directory with all that is in it. Default: no.
    pub recursive: bool,
    /// It need not exist. Default: no.
    pub force: bool,
    /// With `recursive`, how often to begin again where something is busy or is being filled. Default: 0.
    pub max_retries: u32,
    /// How long to wait before the first retry; before the second it is twice as long, and so on. Default: 100 ms.
    pub retry_delay: Duration,
}

impl Default for RemoveOptions {
    fn default() -> Self {
        Self { recursive: false, force: false, max_retries: 0, retry_delay: Duration::from_millis(100) }
    }
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

    /// Returns if the file exists and allows what `mode` says: bits of `R_OK` (4), `W_OK` (2) and `X_OK` (1).
    ///
    /// # Errors
    ///
    /// A `FileFault` of `access`.
    pub async fn access(&self, path: impl AsRef<Path>, mode: u32) -> BoxliteResult<()> {
        self.call(FileCall::access(path.as_ref(), mode)).await
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

    /// Makes a directory with the permissions `mode`, less the umask of `0o022`; with `recursive` its parents too, and then one that
    /// exists is no failure. Returns the first directory that `recursive` made.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `mkdir`.
    pub async fn mkdir(
        &self,
        path: impl AsRef<Path>,
        mode: u32,
        recursive: bool,
    ) -> BoxliteResult<Option<PathBuf>> {
        self.call(FileCall::mkdir(path.as_ref(), mode, recursive)).await
    }

    /// Makes a directory of a new name that begins with `prefix`, and returns its path.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `mkdtemp`.
    pub async fn mkdtemp(&self, prefix: impl AsRef<Path>) -> BoxliteResult<PathBuf> {
        self.call(FileCall::mkdtemp(prefix.as_ref())).await
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `rmdir`.
    pub async fn rmdir(&self, path: impl AsRef<Path>) -> BoxliteResult<()> {
        self.call(FileCall::rmdir(path.as_ref())).await
    }

    /// Removes a file or a symlink.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `unlink`.
    pub async fn unlink(&self, path: impl AsRef<Path>) -> BoxliteResult<()> {
        self.call(FileCall::unlink(path.as_ref())).await
    }

    /// Removes a file, or a tree.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `rm`, with the refusal `ERR_FS_EISDIR` for a directory that is not to be removed with all that is in it.
    pub async fn remove(&self, path: impl AsRef<Path>, options: RemoveOptions) -> BoxliteResult<()> {
        let RemoveOptions { recursive, force, max_retries, retry_delay } = options;
        let mut tries = 0;
        loop {
            match self.call(FileCall::remove(path.as_ref(), recursive, force)).await {
                Err(error) if recursive && tries < max_retries && may_pass(&error) => tries += 1,
                done => return done,
            }
            sleep(retry_delay.saturating_mul(tries)).await;
        }
    }

    /// Renames a file or directory; a file at `to` is replaced.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `rename`.
    pub async fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> BoxliteResult<()> {
        self.call(FileCall::rename(from.as_ref(), to.as_ref())).await
    }

    /// Copies one file with its mode. With `exclusive`, `to` must not exist.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `copyfile`.
    pub async fn copy_file(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        exclusive: bool,
    ) -> BoxliteResult<()> {
        self.call(FileCall::copy_file(from.as_ref(), to.as_ref(), exclusive)).await
    }

    /// Copies a file or a tree inside the box. Files and symlinks replace their like, and directories are merged.
    ///
    /// # Errors
    ///
    /// A `FileFault`, whose refusal (`ERR_FS_CP_EINVAL`) says what can't be copied.
    pub async fn copy(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        options: CopyOptions,
    ) -> BoxliteResult<()> {
        self.call(FileCall::copy(from.as_ref(), to.as_ref(), options)).await
    }

    /// Copies one level, for callers that choose what to copy: with no `names` only what is at `from`, otherwise what has those names
    /// in the directory `from`. Returns for each whether it is a directory that is to be filled.
    ///
    /// # Errors
    ///
    /// Those of [`copy`](Self::copy).
    pub async fn copy_shallow(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        names: &[String],
        options: CopyOptions,
    ) -> BoxliteResult<Vec<bool>> {
        self.call(FileCall::copy_shallow(from.as_ref(), to.as_ref(), names, options)).await
    }

    /// Makes `path` a symlink to `target`.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `symlink`.
    pub async fn symlink(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> BoxliteResult<()> {
        self.call(FileCall::symlink(target.as_ref(), path.as_ref())).await
    }

    /// What a symlink says.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `readlink`.
    pub async fn read_link(&self, path: impl AsRef<Path>) -> BoxliteResult<PathBuf> {
        self.call(FileCall::read_link(path.as_ref())).await
    }

    /// The absolute path of a file, without symlinks.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `realpath`.
    pub async fn real_path(&self, path: impl AsRef<Path>) -> BoxliteResult<PathBuf> {
        self.call(FileCall::real_path(path.as_ref())).await
    }

    /// Makes `path` another name of the file `existing`.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `link`.
    pub async fn link(&self, existing: impl AsRef<Path>, path: impl AsRef<Path>) -> BoxliteResult<()> {
        self.call(FileCall::link(existing.as_ref(), path.as_ref())).await
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

    /// Makes a file `length` bytes long.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `open` or `ftruncate`.
    pub async fn truncate(&self, path: impl AsRef<Path>, length: u64) -> BoxliteResult<()> {
        self.call(FileCall::truncate(path.as_ref(), length)).await
    }

    /// How full the file system of `path` is.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `statfs`.
    pub async fn stat_fs(&self, path: impl AsRef<Path>) -> BoxliteResult<FileSystemStat> {
        self.call(FileCall::stat_fs(path.as_ref())).await
    }

    /// The value of an extended attribute, such as `user.origin`; `follow` as in [`chown`](Self::chown).
    ///
    /// # Errors
    ///
    /// A `FileFault` of `getxattr`: `ENODATA` if there is no such attribute.
    pub async fn get_xattr(&self, path: impl AsRef<Path>, name: &str, follow: bool) -> BoxliteResult<Bytes> {
        self.call(FileCall::get_xattr(path.as_ref(), name, follow)).await
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

    /// Removes an extended attribute; `follow` as in [`chown`](Self::chown).
    ///
    /// # Errors
    ///
    /// A `FileFault` of `removexattr`: `ENODATA` if there is no such attribute.
    pub async fn remove_xattr(&self, path: impl AsRef<Path>, name: &str, follow: bool) -> BoxliteResult<()> {
        self.call(FileCall::remove_xattr(path.as_ref(), name, follow)).await
    }

    /// Reads a whole file, of at most `max` bytes.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `open` or `read`; `EFBIG` for a file of more than `max` bytes.
    pub async fn read(
        &self,
        path: impl AsRef<Path>,
        options: ReadOptions,
        max: usize,
    ) -> BoxliteResult<Vec<u8>> {
        self.read_target(path.as_ref().into(), options, max).await
    }

    /// Reads a file as a stream.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `open`, if the options wait for the file to be open; otherwise the first chunk returns it.
    pub async fn read_stream(
        &self,
        path: impl AsRef<Path>,
        options: ReadOptions,
    ) -> BoxliteResult<FileStream<Bytes>> {
        self.stream_target(path.as_ref().into(), options).await
    }

    /// Writes a whole file.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `open`, `write` or `fsync`; a part may have been written.
    pub async fn write(
        &self,
        path: impl AsRef<Path>,
        data: impl Into<Bytes>,
        options: WriteOptions,
    ) -> BoxliteResult<()> {
        self.write_target(path.as_ref().into(), data.into(), options).await
    }

    /// Writes a file as a stream. That the file can't be opened is an error of the writer.
    ///
    /// # Errors
    ///
    /// Those of [`LiteBox::start`](crate::LiteBox::start).
    pub async fn write_stream(
        &self,
        path: impl AsRef<Path>,
        options: WriteOptions,
    ) -> BoxliteResult<FileWriter> {
        self.writer(path.as_ref().into(), options).await
    }

    /// The entries of a directory, with `recursive` of everything below it too, in the order of their names.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `scandir`; `LISTING_TOO_LARGE` for more than a million entries, or 128 MiB of them.
    pub async fn read_dir(
        &self,
        path: impl AsRef<Path>,
        recursive: bool,
    ) -> BoxliteResult<Vec<DirectoryEntry>> {
        let (machine, interface) = self.reach().await?;
        self.explained(&machine, interface.read_dir(path.as_ref(), recursive).await).await
    }

    /// Lists a directory of any size piece by piece, in the order of its file system.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `opendir`.
    pub async fn open_dir(
        &self,
        path: impl AsRef<Path>,
        recursive: bool,
    ) -> BoxliteResult<FileStream<Vec<DirectoryEntry>>> {
        let (machine, interface) = self.reach().await?;
        let opened = interface.open_dir(path.as_ref(), recursive).await;
        let mut batches = self.explained(&machine, opened).await?;
        // The first entries show whether it is a directory at all.
        let first = machine.explained(batches.try_next().await).await.map_err(as_opendir)?;
        let all = stream::iter(first.map(Ok)).chain(batches);
        Ok(FileStream::new(machine, all.boxed()))
    }

    /// Watches a file, a directory, or with `recursive` a tree. Nothing is missed that is asked of the box after this was called; of
    /// what others do in it, nothing once this has resolved.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `watch`. The stream fails with `EOVERFLOW` if files change faster than they can be reported.
    pub fn watch<P: AsRef<Path>>(
        &self,
        path: P,
        recursive: bool,
    ) -> impl Future<Output = BoxliteResult<FileStream<Vec<FileChange>>>> + Send + use<P> {
        let pending = self.core.watches.begin();
        let (this, path) = (self.clone(), path.as_ref().to_owned());
        async move {
            let _pending = pending;
            let machine = this.core.machine().await?;
            let interface = this.interface(&machine);
            let changes = this.explained(&machine, interface.watch(&path, recursive).await).await?;
            Ok(FileStream::new(machine, changes))
        }
    }

    pub(super) async fn call<T>(&self, call: FileCall<T>) -> BoxliteResult<T> {
        let (machine, interface) = self.reach().await?;
        self.explained(&machine, interface.call(call).await).await
    }

    pub(super) async fn read_target(
        &self,
        target: FileTarget,
        options: ReadOptions,
        max: usize,
    ) -> BoxliteResult<Vec<u8>> {
        let chunks = self.stream_target(target, options).await?;
        let mut data = Vec::new();
        while let Some(chunk) = chunks.next().await? {
            if chunk.len() > max - data.len() {
                return Err(too_large());
            }
            append(&mut data, chunk);
        }
        data.shrink_to_fit();
        Ok(data)
    }

    pub(super) async fn stream_target(
        &self,
        target: FileTarget,
        options: ReadOptions,
    ) -> BoxliteResult<FileStream<Bytes>> {
        let (machine, interface) = self.reach().await?;
        let chunks = machine.explained(interface.read(target, options).await).await?;
        Ok(FileStream::new(machine, chunks))
    }

    pub(super) async fn write_target(
        &self,
        target: FileTarget,
        data: Bytes,
        options: WriteOptions,
    ) -> BoxliteResult<()> {
        if data.len() <= limits::FILE_CHUNK {
            let (machine, interface) = self.reach().await?;
            return machine.explained(interface.write_whole(target, options, data).await).await;
        }
        let writer = self.writer(target, options).await?;
        writer.push(data).await?;
        writer.finish().await.map(drop)
    }

    pub(super) async fn writer(
        &self,
        target: FileTarget,
        options: WriteOptions,
    ) -> BoxliteResult<FileWriter> {
        let (machine, interface) = self.reach().await?;
        Ok(FileWriter::begin(machine, interface, target, options))
    }

    async fn explained<T>(&self, machine: &Arc<Machine>, result: BoxliteResult<T>) -> BoxliteResult<T> {
        match result {
            Err(error) => Err(self.core.explain(machine, error).await),
            ok => ok,
        }
    }

    /// The running machine and the calls of its files, once no watch is pending.
    pub(super) async fn reach(&self) -> BoxliteResult<(Arc<Machine>, FilesInterface)> {
        self.core.watches.settled().await;
        let machine = self.core.machine().await?;
        let interface = self.interface(&machine);
        Ok((machine, interface))
    }

    fn interface(&self, machine: &Machine) -> FilesInterface {
        machine.session.files().as_user(Arc::clone(&self.user))
    }
}

/// The errno of what the box's kernel refused.
fn errno(error: &BoxliteError) -> Option<Errno> {
    let fault = error.file().filter(|fault| fault.refusal.is_none())?;
    Some(Errno::from_raw(fault.errno))
}

/// Whether a removal may succeed when it is tried again, by the list that Node has.
fn may_pass(error: &BoxliteError) -> bool {
    use Errno::{EBUSY, EMFILE, ENFILE, ENOTEMPTY, EPERM};
    matches!(errno(error), Some(EBUSY | EMFILE | ENFILE | ENOTEMPTY | EPERM))
}

/// A failure to begin a listing, with the name of the call that began it.
fn as_opendir(error: BoxliteError) -> BoxliteError {
    match error.file() {
        Some(fault) => BoxliteError::of_file(FileFault { syscall: "opendir".to_owned(), ..fault.clone() }),
        None => error,
    }
}

fn too_large() -> BoxliteError {
    let (errno, syscall) = (Errno::EFBIG as i32, "read".to_owned());
    BoxliteError::of_file(FileFault { errno, syscall, path: None, dest: None, refusal: None })
        .hint("read it as a stream")
}
