//! `NativeDirectory`: a directory that is listed in chunks. Made by `NativeFiles`, wrapped by `lib/directory.ts`.

use boxlite_runtime::{DirectoryEntry, FileStream};
use napi::{Env, Result, bindgen_prelude::Object};
use napi_derive::napi;

use crate::{file_path::entries, promise::promise};

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
    pub fn next<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (stream, raw) = (self.entries.clone(), self.raw);
        promise(env, async move { Ok(stream.next().await?.map(|batch| entries(batch, raw))) })
    }

    /// Stops listing.
    #[napi]
    pub fn close(&self) {
        self.entries.close();
    }
}
