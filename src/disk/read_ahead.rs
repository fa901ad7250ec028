//! Unpacking on a thread of its own: while it goes on, the reader hashes or writes what is there already. Used by `layer`.

use std::{
    io::{self, Read},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

const PIECE: usize = 256 * 1024;
/// Pieces that may wait to be read.
const AHEAD: usize = 2;

/// Reads on another thread before the bytes are needed. Errors come where they would have come.
pub(crate) struct ReadAhead {
    pieces: Receiver<io::Result<Vec<u8>>>,
    /// Pieces that were read go back to be filled again.
    used: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    ended: bool,
}

impl ReadAhead {
    /// Starts to read. The thread ends with the reader's end or error, or soon after this is dropped.
    pub(crate) fn new(reader: impl Read + Send + 'static) -> io::Result<Self> {
        let (sender, pieces) = sync_channel(AHEAD);
        let (used, free) = sync_channel(AHEAD + 2);
        thread::Builder::new().name("boxlite-unpack".into()).spawn(move || read(reader, &sender, &free))?;
        Ok(Self { pieces, used, piece: Vec::new(), at: 0, ended: false })
    }
}

/// Sends piece after piece; an empty one is the end.
fn read(mut reader: impl Read, pieces: &SyncSender<io::Result<Vec<u8>>>, free: &Receiver<Vec<u8>>) {
    loop {
        let mut piece = free.try_recv().unwrap_or_default();
        piece.clear();
        piece.reserve(PIECE);
        let read = (&mut reader).take(PIECE as u64).read_to_end(&mut piece);
        // What came before an error is still good.
        if (read.is_ok() || !piece.is_empty()) && pieces.send(Ok(std::mem::take(&mut piece))).is_err() {
            return;
        }
        match read {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => return drop(pieces.send(Err(error))),
        }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() && !self.ended {
            let next =
                self.pieces.recv().map_err(|_| io::Error::other("the unpacking thread has ended"))??;
            let done = std::mem::replace(&mut self.piece, next);
            self.at = 0;
            self.ended = self.piece.is_empty();
            // None is needed at the end.
            let _ = self.used.try_send(done);
        }
        let left = &self.piece[self.at..];
        let read = left.len().min(buf.len());
        buf[..read].copy_from_slice(&left[..read]);
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_comes_in_order_and_then_the_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::InvalidData.into())
            }
        }
        let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut whole = Vec::new();
        ReadAhead::new(io::Cursor::new(content.clone())).unwrap().read_to_end(&mut whole).unwrap();
        assert!(whole == content);
        let mut begun = Vec::new();
        let mut broken = ReadAhead::new(io::Cursor::new(content.clone()).chain(Broken)).unwrap();
        assert_eq!(broken.read_to_end(&mut begun).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(begun == content);
    }

    #[test]
    fn the_end_is_the_end_each_time() {
        let mut reader = ReadAhead::new(io::empty()).unwrap();
        for _ in 0..3 {
            assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
        }
    }
}
