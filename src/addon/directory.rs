//! `NativeDirectory`: a directory that is listed piece by piece. Made by `NativeFiles`, wrapped by `lib/directory.ts`.

use boxlite_runtime::DirectoryReader;
use napi::{Env, Result, bindgen_prelude::Object};
use napi_derive::napi;

use crate::{files::entries, promise::promise};

/// A directory that is being listed.
#[napi]
pub struct NativeDirectory {
    reader: DirectoryReader,
    raw: bool,
}

impl NativeDirectory {
    pub(crate) fn new(reader: DirectoryReader, raw: bool) -> Self {
        Self { reader, raw }
    }
}

#[napi]
impl NativeDirectory {
    /// The next entries; `null` at the end.
    #[napi]
    pub fn next<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (reader, raw) = (self.reader.clone(), self.raw);
        promise(env, async move { Ok(reader.next().await?.map(|batch| entries(batch, raw))) })
    }

    /// Lists no more.
    #[napi]
    pub fn close(&self) {
        self.reader.close();
    }
}
