//! The compression of a file, by its first bytes: names and media types are often wrong. Called by `boxlite-disk` for layers and by
//! `boxlite-images` for archives.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// How much of what it unpacked a Zstandard stream may refer back to, as a power of two: 128 MiB of memory, which is what
/// `zstd --ultra -22` and `--long` ask for. A stream that needs more is refused.
const WINDOW: u32 = 27;
const BUFFER: usize = 256 * 1024;

/// A compression, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packing {
    /// As it is.
    None,
    /// gzip (RFC 1952), also of several members, as eStargz is.
    Gzip,
    /// Zstandard (RFC 8878), also of several frames, as zstd:chunked is.
    Zstd,
}

impl Packing {
    /// How many first bytes are enough for [`Packing::detect`].
    pub const START: usize = 6;

    /// Which compression a file has that begins with `start`.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] for one that this crate can't read.
    pub fn detect(start: &[u8]) -> io::Result<Self> {
        let refused = |by| {
            let message = format!("compressed by {by}; use gzip, Zstandard or no compression");
            Err(io::Error::new(io::ErrorKind::Unsupported, message))
        };
        match start {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            // A frame, or a skippable one before it (RFC 8878, 3.1).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [b'B', b'Z', b'h', ..] => refused("bzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => refused("xz"),
            _ => Ok(Self::None),
        }
    }

    /// Reads what is packed in `reader`. A read of something that asks for too much memory fails as
    /// [`io::ErrorKind::FileTooLarge`].
    ///
    /// # Errors
    /// The decoder can't be set up.
    pub fn decoder<'a>(self, reader: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
        let reader = BufReader::with_capacity(BUFFER, reader);
        Ok(match self {
            Self::None => Box::new(reader),
            Self::Gzip => Box::new(MultiGzDecoder::new(reader)),
            Self::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(reader)?;
                decoder.window_log_max(WINDOW)?;
                Box::new(Bounded(decoder))
            }
        })
    }
}

/// A Zstandard stream that says what it is refused for.
struct Bounded<R: BufRead>(zstd::Decoder<'static, R>);

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(|error| {
            // The library's text for a window that is too large; see `WINDOW`.
            if error.to_string().contains("requires too much memory") {
                let message = format!(
                    "unpack Zstandard: it needs more than {} MiB of memory; compress it without `--long`",
                    (1_u64 << WINDOW) >> 20
                );
                return io::Error::new(io::ErrorKind::FileTooLarge, message);
            }
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A frame that may refer back by 2^`window` bytes, and says so.
    fn frame(window: u32) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window).unwrap();
        encoder.long_distance_matching(true).unwrap();
        // Flushed, so that the length is not known in advance and the window is not made smaller by it.
        for _ in 0..4 {
            encoder.write_all(&[7; 1000]).unwrap();
            encoder.flush().unwrap();
        }
        encoder.finish().unwrap()
    }

    #[test]
    fn a_window_may_be_128_mib_and_no_more() {
        let unpack = |bytes: &[u8]| {
            let mut all = Vec::new();
            Packing::detect(bytes).unwrap().decoder(bytes).unwrap().read_to_end(&mut all).map(|_| all.len())
        };
        assert_eq!(unpack(&frame(27)).unwrap(), 4000);
        let error = unpack(&frame(28)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        // Nor in a later frame.
        let error = unpack(&[frame(20), frame(28)].concat()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
