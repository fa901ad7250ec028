//! Compressed files of this machine: what packs them, and their content. Called by `files` and `rootfs`.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek},
    os::unix::fs::FileExt,
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

const BUFFER: usize = 256 * 1024;

/// What packs a file, told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let mut start = [0; 6];
        let read = file.read_at(&mut start, 0)?;
        match start[..read] {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            // A frame, or a skippable one before it (RFC 8878, 3.1).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', b'X', b'Z', 0] => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "compressed by bzip2 or xz; use gzip, Zstandard or no compression",
            )),
            _ => Ok(Self::Plain),
        }
    }
}

/// Reads the content of a file, which must be at its start.
pub(crate) fn reader(file: &File) -> io::Result<Box<dyn Read + '_>> {
    let packing = Packing::of(file)?;
    let reader = BufReader::with_capacity(BUFFER, file);
    Ok(match packing {
        Packing::Plain => Box::new(reader),
        Packing::Gzip => Box::new(MultiGzDecoder::new(reader)),
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(reader)?),
    })
}

/// Unpacks a file into one without a name in `scratch`: nothing of it stays when it is closed.
pub(crate) fn unpack(file: &File, scratch: &Path, limit: u64) -> io::Result<File> {
    let mut unpacked = BufWriter::with_capacity(BUFFER, tempfile::tempfile_in(scratch)?);
    let written = io::copy(&mut reader(file)?.take(limit + 1), &mut unpacked)?;
    if written > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {limit} bytes")));
    }
    let mut unpacked = unpacked.into_inner()?;
    unpacked.rewind()?;
    Ok(unpacked)
}
