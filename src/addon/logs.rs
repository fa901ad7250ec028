//! `NativeLogs`: a position in a box's logs. Wrapped by `lib/logs.ts`, calls `LogReader`.

use std::sync::Arc;

use boxlite_runtime::{LogReader, LogText};
use bytes::Bytes;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::answer::{Answer, answer_while_there};

/// A position in a box's logs.
#[napi]
pub struct NativeLogs(Arc<LogReader>);

impl From<LogReader> for NativeLogs {
    fn from(reader: LogReader) -> Self {
        Self(Arc::new(reader))
    }
}

#[napi]
impl NativeLogs {
    /// Resolves with the next chunks, or `null` at the end.
    #[napi]
    pub fn next(&self) -> Answer {
        answer_while_there(&self.0, async move |reader| {
            let entries = reader.next().await?;
            Ok(entries.map(|entries| entries.into_iter().map(NativeLogEntry::from).collect::<Vec<_>>()))
        })
    }

    /// Ends a `next` that waits.
    #[napi]
    pub fn close(&self) {
        self.0.close();
    }
}

/// A chunk of a log: `data`, or the number of lost bytes.
#[napi(object, object_from_js = false)]
pub struct NativeLogEntry {
    /// Milliseconds since 1970.
    pub time_ms: Option<f64>,
    /// `stdout`, `stderr`, `console` or `lost`.
    pub stream: &'static str,
    /// What was written.
    pub data: Option<Buffer>,
    /// Bytes that are missing.
    pub lost: Option<i64>,
}

impl From<boxlite_runtime::LogEntry> for NativeLogEntry {
    fn from(entry: boxlite_runtime::LogEntry) -> Self {
        let buffer = |data: Bytes| Some(Buffer::from(data.to_vec()));
        let (stream, data, lost) = match entry.text {
            LogText::Stdout(data) => ("stdout", buffer(data), None),
            LogText::Stderr(data) => ("stderr", buffer(data), None),
            LogText::Console(data) => ("console", buffer(data), None),
            LogText::Lost(bytes) => ("lost", None, Some(i64::try_from(bytes).unwrap_or(i64::MAX))),
        };
        #[expect(clippy::cast_precision_loss, reason = "exact for the next 285 thousand years")]
        let time_ms = entry.time_ms.map(|ms| ms as f64);
        Self { time_ms, stream, data, lost }
    }
}
