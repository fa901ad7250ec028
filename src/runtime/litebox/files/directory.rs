//! Directories: `Files::mkdir`, `read_dir`, `open_dir` and their like.

use std::path::{Path, PathBuf};

use boxlite_error::{BoxliteError, BoxliteResult, FileFault};
use boxlite_portal::{DirectoryEntry, FileCall};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::litebox::files::{stream::FileStream, verbs::Files};

impl Files {
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
}

/// A failure to begin a listing, with the name of the call that began it.
fn as_opendir(error: BoxliteError) -> BoxliteError {
    match error.file() {
        Some(fault) => BoxliteError::of_file(FileFault { syscall: "opendir".to_owned(), ..fault.clone() }),
        None => error,
    }
}
