//! `NativeArchiveWriter`: a tar stream into a box. Made by `NativeFiles::unpack_in`, used by `lib/copy.ts`.

use boxlite_runtime::ArchiveWriter;
use bytes::Bytes;
use napi_derive::napi;

use crate::answer::{Answer, answer, answer_while_there};

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
    pub fn push(&self, data: &[u8]) -> Answer {
        let data = Bytes::copy_from_slice(data);
        answer_while_there(&self.0, async move |writer| writer.push(data).await)
    }

    /// Ends the archive; resolves when it is unpacked.
    #[napi]
    pub fn finish(&self) -> Answer {
        answer_while_there(&self.0, async move |writer| writer.finish().await)
    }

    /// Cancels.
    #[napi]
    pub fn abort(&self) -> Answer {
        answer(&self.0, async move |writer| {
            writer.abort().await;
            Ok(())
        })
    }
}
