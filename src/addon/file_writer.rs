//! `NativeFileWriter`: a file that is written in chunks. Made by `NativeFiles` and `NativeOpenFile`.

use boxlite_runtime::FileWriter;
use bytes::Bytes;
use napi_derive::napi;

use crate::answer::{Answer, answer, answer_while_there};

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
    pub fn opened(&self) -> Answer {
        answer(&self.0, async move |writer| writer.opened().await)
    }

    /// Hands on the next bytes; resolves when there is room for more.
    #[napi]
    pub fn push(&self, data: &[u8]) -> Answer {
        let data = Bytes::copy_from_slice(data);
        answer_while_there(&self.0, async move |writer| writer.push(data).await)
    }

    /// Ends the file; resolves when all is written.
    #[napi]
    pub fn finish(&self) -> Answer {
        answer_while_there(&self.0, async move |writer| Ok(writer.finish().await?.cast_signed()))
    }

    /// Cancels, without waiting for anything.
    #[napi]
    pub fn abort(&self) {
        self.0.abort();
    }
}
