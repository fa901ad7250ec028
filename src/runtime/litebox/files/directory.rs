//! Listings of directories: `Files::read_dir` and `open_dir`.

use std::{path::Path, pin::pin};

use boxlite_error::{BoxliteError, BoxliteResult, FileFault};
use boxlite_portal::DirectoryEntry;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::litebox::files::{stream::FileStream, verbs::Files};

impl Files {
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
        self.core.explained(&machine, pin!(interface.read_dir(path.as_ref(), recursive))).await
    }

    /// Lists a directory of any size batch by batch, in the order of its file system.
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
        let opened = pin!(interface.open_dir(path.as_ref(), recursive));
        let mut batches = self.core.explained(&machine, opened).await?;
        // The first entries show whether it is a directory at all.
        let first = machine.explained(batches.try_next()).await.map_err(as_opendir)?;
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
