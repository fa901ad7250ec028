//! `NativeFileReader`: bytes out of a box. Made by `NativeFiles` and `NativeOpenFile`.
//!
//! Each chunk is fetched when JavaScript calls `pull`, so a program that pauses holds the box back.

use boxlite_runtime::FileStream;
use bytes::Bytes;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::answer::{Answer, answer_while_there};

/// Bytes out of a box: a file that is being read, or a tree as a tar stream.
#[napi]
pub struct NativeFileReader(FileStream<Bytes>);

impl From<FileStream<Bytes>> for NativeFileReader {
    fn from(stream: FileStream<Bytes>) -> Self {
        Self(stream)
    }
}

#[napi]
impl NativeFileReader {
    /// Resolves with the next bytes, or `null` at the end.
    #[napi]
    pub fn pull(&self) -> Answer {
        // This copies only if the bytes are shared.
        answer_while_there(&self.0, async move |stream| {
            Ok(stream.next().await?.map(|data| Buffer::from(Vec::from(data))))
        })
    }

    /// Stops reading and ends a waiting `pull`.
    #[napi]
    pub fn close(&self) {
        self.0.close();
    }
}
