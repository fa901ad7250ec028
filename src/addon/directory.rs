//! `NativeDirectory`: a directory that is listed in chunks. Made by `NativeFiles`, wrapped by `lib/directory.ts`.

use boxlite_runtime::{DirectoryEntry, FileStream};
use napi_derive::napi;

use crate::{
    answer::{Answer, answer},
    file_path::entries,
};

/// A directory that is being listed.
#[napi]
pub struct NativeDirectory {
    entries: FileStream<Vec<DirectoryEntry>>,
    raw: bool,
}

impl NativeDirectory {
    pub(crate) fn new(entries: FileStream<Vec<DirectoryEntry>>, raw: bool) -> Self {
        Self { entries, raw }
    }
}

#[napi]
impl NativeDirectory {
    /// Resolves with the next entries, or `null` at the end.
    #[napi]
    pub fn next(&self) -> Answer {
        let raw = self.raw;
        answer(&self.entries, async move |stream| Ok(stream.next().await?.map(|batch| entries(batch, raw))))
    }

    /// Stops listing.
    #[napi]
    pub fn close(&self) {
        self.entries.close();
    }
}
