//! `NativeArchiveWriter`: a tar stream into a box. Made by `NativeFiles::unpack_in`, used by `lib/copy.ts`.

use boxlite_runtime::ArchiveWriter;
use bytes::Bytes;
use napi::{Env, Result, bindgen_prelude::Object};
use napi_derive::napi;

use crate::promise::{promise, promise_while_there};

/// A tar stream into a box.
#[napi]
pub struct NativeArchiveWriter(ArchiveWriter);

impl From<ArchiveWriter> for NativeArchiveWriter {
    fn from(archive: ArchiveWriter) -> Self {
        Self(archive)
    }
}

#[napi]
impl NativeArchiveWriter {
    /// Hands on the next bytes; resolves when there is room for more.
    #[napi]
    pub fn push<'env>(&self, env: &'env Env, data: &[u8]) -> Result<Object<'env>> {
        let (writer, data) = (self.0.clone(), Bytes::copy_from_slice(data));
        promise_while_there(env, async move { writer.push(data).await })
    }

    /// Ends the archive; resolves when it is unpacked.
    #[napi]
    pub fn finish<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let writer = self.0.clone();
        promise_while_there(env, async move { writer.finish().await })
    }

    /// Cancels.
    #[napi]
    pub fn abort<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let writer = self.0.clone();
        promise(env, async move {
            writer.abort().await;
            Ok(())
        })
    }
}
