//! Copies from box to host, each in one stream: `Files::copy_out` of a tree, `Files::pack_out` as a tar stream for the caller. A tree
//! is received as `boxlite-archive` does it: confined, whatever the box sends.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
};

use boxlite_archive::{Meter, PipeReader, Rules, receive};
use boxlite_error::BoxliteResult;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::litebox::files::{
    archive_error::{from_archive, joined},
    stream::FileStream,
    upload::AHEAD,
    verbs::Files,
};

/// How to copy out of a box, and how much; `None` is any number.
#[derive(Debug, Clone, Copy, Default)]
pub struct CopyFrom {
    /// Most bytes of file contents, holes included, and of extended attributes. Default: any number.
    pub max_bytes: Option<u64>,
    /// Most files, directories and links. Default: any number.
    pub max_entries: Option<u64>,
    /// Whether what is of another type gives way. Default: no.
    pub replace: bool,
    /// Copy extended attributes, too. Default: no.
    pub xattrs: bool,
}

impl Files {
    /// Copies the file or tree at `from` in the box to `to` on the host, where it belongs to this process's user. Setuid, setgid and
    /// sticky bits are dropped; devices, sockets and FIFOs are left out. Progress is counted in `meter`.
    ///
    /// # Errors
    ///
    /// A `FileFault` of either side; `COPY_TOO_LARGE` for what exceeds a bound, which is not begun. What was copied before stays.
    pub async fn copy_out(
        &self,
        from: impl AsRef<Path> + Send,
        to: impl Into<PathBuf> + Send,
        how: CopyFrom,
        meter: Arc<Meter>,
    ) -> BoxliteResult<()> {
        let (from, to) = (from.as_ref().to_owned(), to.into());
        let CopyFrom { max_bytes, max_entries, replace, xattrs } = how;
        let stream = self.archive(&from, true, xattrs).await?;
        // A file gets its name in a directory from the caller's path, not from the box.
        let name = from.file_name().map_or_else(|| OsString::from("root"), OsString::from);
        let (chunks, receiver) = mpsc::channel(AHEAD);
        let rules = Rules { max_bytes, max_entries, replace, ..Rules::default() };
        let mut unpacking = self.core.home.handle.spawn_blocking(move || {
            receive(PipeReader::new(receiver), &to, &name, rules, &meter).map(|skipped| meter.skip(skipped))
        });
        let fetching = fetch(&stream, chunks);
        tokio::pin!(fetching);
        let (fetched, unpacked) = tokio::select! {
            biased;
            fetched = &mut fetching => (fetched, joined(unpacking.await)),
            unpacked = &mut unpacking => match joined(unpacked) {
                Ok(()) => (fetching.await, Ok(())),
                // A copy that failed is over, whatever the box would still send.
                failed => (Ok(()), failed),
            },
        };
        // The error of the stream explains why the unpacking broke off.
        fetched.and(unpacked.map_err(|error| from_archive(&error)))
    }

    /// The tree at `from` as a tar stream.
    ///
    /// # Errors
    ///
    /// Those of [`LiteBox::start`](crate::LiteBox::start); what comes of the packing is an error of the stream.
    pub async fn pack_out(
        &self,
        from: impl AsRef<Path> + Send,
        xattrs: bool,
    ) -> BoxliteResult<FileStream<Bytes>> {
        self.archive(from.as_ref(), false, xattrs).await
    }

    async fn archive(&self, from: &Path, tree: bool, xattrs: bool) -> BoxliteResult<FileStream<Bytes>> {
        let (machine, interface) = self.reach().await?;
        let chunks = self.core.explained(&machine, pin!(interface.copy_out(from, tree, xattrs))).await?;
        Ok(FileStream::new(machine, chunks))
    }
}

/// Hands what `stream` gives to an unpacker.
async fn fetch(stream: &FileStream<Bytes>, chunks: mpsc::Sender<Option<Bytes>>) -> BoxliteResult<()> {
    while let Some(data) = stream.next().await? {
        // An unpacker that is done needs no more.
        if chunks.send(Some(data)).await.is_err() {
            return Ok(());
        }
    }
    let _ = chunks.send(None).await;
    Ok(())
}
