//! One layer file, unpacked as a stream that is counted, bounded and hashed. Read by `index` and by `ext4`.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::PathBuf,
    sync::Arc,
};

use flate2::bufread::MultiGzDecoder;
use ring::digest::{Context, SHA256};

use crate::{Error, ErrorKind, limits::Budget, read_ahead::ReadAhead};

const BUFFER: usize = 256 * 1024;

/// A layer on the host, as `boxlite-images` stored it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFile {
    /// The blob: a tar file, plain or compressed.
    pub path: PathBuf,
    /// The digest of the unpacked tar, `sha256:…`, from the image's configuration.
    pub diff_id: String,
}

/// How a layer is compressed. Found by its first bytes: media types are often wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// A plain tar file.
    None,
    /// gzip (RFC 1952), also of several members, as eStargz is.
    Gzip,
    /// Zstandard (RFC 8878), also of several frames, as zstd:chunked is.
    Zstd,
}

impl Compression {
    fn detect(start: &[u8]) -> Result<Self, Error> {
        match start {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            // A frame, or a skippable one before it (RFC 8878, 3.1).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [b'B', b'Z', b'h', ..] => Err(Error::unsupported("read layer: bzip2 compression")),
            [0xfd, b'7', b'z', b'X', ..] => Err(Error::unsupported("read layer: xz compression")),
            _ => Ok(Self::None),
        }
    }
}

enum Decoder {
    Plain(BufReader<File>),
    Packed(ReadAhead),
}

impl Read for Decoder {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buf),
            Self::Packed(reader) => reader.read(buf),
        }
    }
}

/// The unpacked bytes of a layer.
pub(crate) struct LayerReader {
    decoder: Decoder,
    /// Present in the first pass, which bounds and hashes what it unpacks.
    check: Option<(Arc<Budget>, Context)>,
}

impl LayerFile {
    /// Opens the layer. With a budget, what it unpacks is taken from it and hashed for [`LayerReader::finish`].
    pub(crate) fn open(&self, budget: Option<Arc<Budget>>) -> Result<LayerReader, Error> {
        let failed =
            |error| Error::storage(format!("open layer {}", self.path.display()), error).in_layer(&self.path);
        let mut file = File::open(&self.path).map_err(failed)?;
        let mut start = Vec::with_capacity(6);
        (&file).take(6).read_to_end(&mut start).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let reader = BufReader::with_capacity(BUFFER, file);
        let decoder = match Compression::detect(&start).map_err(|e| e.in_layer(&self.path))? {
            Compression::None => Decoder::Plain(reader),
            Compression::Gzip => {
                Decoder::Packed(ReadAhead::new(MultiGzDecoder::new(reader)).map_err(failed)?)
            }
            Compression::Zstd => {
                let decoder = zstd::Decoder::with_buffer(reader).map_err(failed)?;
                Decoder::Packed(ReadAhead::new(decoder).map_err(failed)?)
            }
        };
        Ok(LayerReader { decoder, check: budget.map(|budget| (budget, Context::new(&SHA256))) })
    }
}

impl LayerReader {
    /// Reads what follows the tar's end and compares the whole with `diff_id`.
    pub(crate) fn finish(mut self, diff_id: &str) -> Result<(), Error> {
        io::copy(&mut self, &mut io::sink()).map_err(|error| Error::reading("unpack layer", error))?;
        let Some((_, hasher)) = self.check else {
            return Ok(());
        };
        let found = format!("sha256:{}", hex(hasher.finish().as_ref()));
        if found == diff_id {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::DiffIdMismatch,
            format!("verify layer: its content is {found}, the image's configuration says {diff_id}"),
        ))
    }
}

impl Read for LayerReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buf)?;
        if let Some((budget, hasher)) = &mut self.check {
            budget.take_bytes(read as u64)?;
            hasher.update(&buf[..read]);
        }
        Ok(read)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
