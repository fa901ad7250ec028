//! An archive's bytes between a thread that packs or unpacks, which blocks, and the tasks that carry them, which don't.
//!
//! The channel's capacity is the back-pressure. A stream ends with `None`: one that is only dropped has broken off, and
//! half an archive must not pass for a whole one.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::sync::mpsc;

/// Reads what tasks send.
#[derive(Debug)]
pub struct PipeReader {
    chunks: mpsc::Receiver<Option<Bytes>>,
    current: Bytes,
    ended: bool,
}

impl PipeReader {
    /// The reading end of `chunks`; for a thread outside of the runtime.
    pub fn new(chunks: mpsc::Receiver<Option<Bytes>>) -> Self {
        Self { chunks, current: Bytes::new(), ended: false }
    }
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.chunks.blocking_recv() {
                Some(Some(chunk)) => self.current = chunk,
                Some(None) => self.ended = true,
                None => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
        let read = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..read]);
        Ok(read)
    }
}

/// Sends what is written, in chunks.
#[derive(Debug)]
pub struct PipeWriter {
    chunks: mpsc::Sender<Bytes>,
    gathered: BytesMut,
    size: usize,
}

impl PipeWriter {
    /// Chunks of `size` bytes; the rest goes with `flush`. For a thread outside of the runtime.
    pub fn new(chunks: mpsc::Sender<Bytes>, size: usize) -> Self {
        Self { chunks, gathered: BytesMut::with_capacity(size), size }
    }
}

impl Write for PipeWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let taken = data.len().min(self.size - self.gathered.len());
        self.gathered.extend_from_slice(&data[..taken]);
        if self.gathered.len() == self.size {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.gathered, BytesMut::with_capacity(self.size)).freeze();
        self.chunks.blocking_send(full).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
