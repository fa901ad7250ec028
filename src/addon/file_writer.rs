//! `NativeFileWriter`: a file that is written in chunks. Made by `NativeFiles` and `NativeOpenFile`.

use boxlite_runtime::FileWriter;
use bytes::Bytes;
use napi::{Env, Result, bindgen_prelude::Object};
use napi_derive::napi;

use crate::promise::{promise, promise_while_there};

/// A file that is being written.
#[napi]
pub struct NativeFileWriter(FileWriter);

impl From<FileWriter> for NativeFileWriter {
    fn from(file: FileWriter) -> Self {
        Self(file)
    }
}

#[napi]
impl NativeFileWriter {
    /// Resolves when the file is open; bytes may be handed on before.
    #[napi]
    pub fn opened<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let writer = self.0.clone();
        promise(env, async move { writer.opened().await })
    }

    /// Hands on the next bytes; resolves when there is room for more.
    #[napi]
    pub fn push<'env>(&self, env: &'env Env, data: &[u8]) -> Result<Object<'env>> {
        let (writer, data) = (self.0.clone(), Bytes::copy_from_slice(data));
        promise_while_there(env, async move { writer.push(data).await })
    }

    /// Ends the file; resolves when all is written.
    #[napi]
    pub fn finish<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let writer = self.0.clone();
        promise_while_there(env, async move { Ok(writer.finish().await?.cast_signed()) })
    }

    /// Cancels, without waiting for anything.
    #[napi]
    pub fn abort(&self) {
        self.0.abort();
    }
}
