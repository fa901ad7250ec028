//! Space on this machine's disk for archives: compressed ones are unpacked into files without a name, folders packed into them.
//! Called by `files` and `rootfs`.
//!
//! A hostile archive of a few hundred kilobytes unpacks to gigabytes. So zeros become holes, which cost nothing; all else
//! is bounded by the size of what is unpacked, and by what is free.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use boxlite_unpack::{Cancel, Cancellable, Packing};
use nix::sys::statvfs::statvfs;

/// What an archive or a layer may unpack to, zeros included.
pub(crate) const MAX_UNPACKED: u64 = 64 << 30;
/// What may be stored of a compressed archive however small it is.
const ALWAYS: u64 = 1 << 30;
/// How many times its size may be stored beyond that. Program files are packed to a third or a fifth, text to a tenth.
const RATIO: u64 = 100;
/// Bytes that are written between two checks of the free space.
const CHECK: u64 = 64 << 20;
const PIECE: usize = 1 << 20;
const BLOCK: usize = 4096;

/// Where archives are unpacked.
#[derive(Debug, Clone)]
pub(crate) struct Scratch {
    pub(crate) dir: Arc<Path>,
    /// Bytes that must stay free there.
    pub(crate) reserve: u64,
}

/// Reads the content of a file from its start.
pub(crate) fn reader<'a>(file: &'a File, cancel: &Cancel) -> io::Result<Box<dyn Read + Send + 'a>> {
    let packing = packing(file)?;
    let mut file = file;
    file.rewind()?;
    packing.decoder(Cancellable::new(file, cancel))
}

/// What packs a file.
pub(crate) fn packing(file: &File) -> io::Result<Packing> {
    let mut start = [0; Packing::START];
    let read = file.read_at(&mut start, 0)?;
    Packing::detect(&start[..read])
}

/// Unpacks a file into one without a name: nothing of it stays when it is closed.
pub(crate) fn unpack(file: &File, scratch: &Scratch, cancel: &Cancel) -> io::Result<File> {
    let most = file.metadata()?.len().saturating_mul(RATIO).max(ALWAYS);
    let mut unpacked = ScratchFile::new(scratch, most, cancel)?;
    io::copy(&mut reader(file, cancel)?, &mut unpacked)?;
    unpacked.finish()
}

/// A file without a name that is being written from its start to its end.
pub(crate) struct ScratchFile<'a> {
    file: File,
    scratch: &'a Scratch,
    cancel: &'a Cancel,
    piece: Vec<u8>,
    /// Where the piece begins.
    start: u64,
    /// Bytes that may be stored, and those that are.
    most: u64,
    stored: u64,
    /// Bytes that were stored at the last check of the free space.
    checked: Option<u64>,
}

impl<'a> ScratchFile<'a> {
    pub(crate) fn new(scratch: &'a Scratch, most: u64, cancel: &'a Cancel) -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile_in(&scratch.dir)?,
            scratch,
            cancel,
            piece: Vec::with_capacity(PIECE),
            start: 0,
            most,
            stored: 0,
            checked: None,
        })
    }

    /// The file, at its start.
    pub(crate) fn finish(mut self) -> io::Result<File> {
        self.flush()?;
        self.file.set_len(self.start)?;
        self.file.rewind()?;
        Ok(self.file)
    }

    /// Stores blocks of the piece.
    fn store(&mut self, from: usize, to: usize) -> io::Result<()> {
        if from == to {
            return Ok(());
        }
        self.stored += (to - from) as u64;
        if self.stored > self.most {
            return Err(too_large(self.most, "that are not zeros"));
        }
        if self.checked.is_none_or(|checked| self.stored - checked >= CHECK) {
            self.checked = Some(self.stored);
            let stat = statvfs(&*self.scratch.dir)?;
            let free = stat.blocks_available().saturating_mul(stat.fragment_size());
            if free < self.scratch.reserve.saturating_add(PIECE as u64) {
                return Err(io::Error::new(
                    io::ErrorKind::StorageFull,
                    format!("{free} bytes are free, and {} stay so", self.scratch.reserve),
                ));
            }
        }
        self.file.write_all_at(&self.piece[from..to], self.start + from as u64)
    }
}

impl Write for ScratchFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Stores the piece, but for its blocks of zeros.
    fn flush(&mut self) -> io::Result<()> {
        self.cancel.check()?;
        if self.start + self.piece.len() as u64 > MAX_UNPACKED {
            return Err(too_large(MAX_UNPACKED, "in all"));
        }
        let mut from = 0;
        for at in (0..self.piece.len()).step_by(BLOCK) {
            let end = self.piece.len().min(at + BLOCK);
            if self.piece[at..end].iter().all(|&byte| byte == 0) {
                self.store(from, at)?;
                from = end;
            }
        }
        self.store(from, self.piece.len())?;
        self.start += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }
}

fn too_large(most: u64, which: &str) -> io::Error {
    let message =
        format!("it unpacks to more than {most} bytes {which}; unpack it yourself if it is to be trusted");
    io::Error::new(io::ErrorKind::FileTooLarge, message)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn scratch(dir: &Path) -> Scratch {
        Scratch { dir: dir.into(), reserve: 0 }
    }

    fn zstd(content: impl Read) -> File {
        let mut file = tempfile::tempfile().unwrap();
        zstd::stream::copy_encode(content, &mut file, 1).unwrap();
        file
    }

    #[test]
    fn zeros_take_no_space() {
        let dir = tempfile::tempdir().unwrap();
        let content = || (&b"begin"[..]).chain(io::repeat(0).take(200 << 20)).chain(&b"end"[..]);
        let file = unpack(&zstd(content()), &scratch(dir.path()), &Cancel::default()).unwrap();
        let meta = file.metadata().unwrap();
        assert_eq!(meta.len(), (200 << 20) + 8);
        assert!(meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
        let (mut start, mut end) = ([0; 6], [0; 4]);
        file.read_exact_at(&mut start, 0).unwrap();
        file.read_exact_at(&mut end, meta.len() - 4).unwrap();
        assert_eq!((&start, &end), (b"begin\0", b"\0end"));
    }

    #[test]
    fn a_file_that_says_too_little_for_its_size_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (scratch, cancel) = (scratch(dir.path()), Cancel::default());
        let mut file = ScratchFile::new(&scratch, 3 << 20, &cancel).unwrap();
        let error = io::copy(&mut io::repeat(b'x').take(8 << 20), &mut file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(file.stored <= 4 << 20);
    }

    #[test]
    fn what_must_stay_free_stays_free() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch { dir: dir.path().into(), reserve: u64::MAX };
        let error = unpack(&zstd(&b"x"[..]), &scratch, &Cancel::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_cancelled_archive_is_not_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let cancel = Cancel::default();
        cancel.cancel();
        let error = unpack(&zstd(io::repeat(0).take(1 << 30)), &scratch(dir.path()), &cancel).unwrap_err();
        assert!(boxlite_unpack::Cancelled::is_in(&error), "{error}");
    }
}
