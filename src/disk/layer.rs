//! One layer file, unpacked as a stream that is counted, bounded and hashed. Read by `index` and by `ext4`.

use std::{
    fs::File,
    io::{self, Read, Seek},
    path::PathBuf,
    sync::Arc,
};

use boxlite_archive::Skip;
use boxlite_error::ErrorCode;
use boxlite_unpack::{Cancel, Cancellable, Packing};
use ring::digest::{Context, SHA256};

use crate::{error::Error, limits::Budget, read_ahead::ReadAhead};

/// A layer on the host, as `boxlite-images` stored it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFile {
    /// The blob: a tar file, plain or compressed.
    pub path: PathBuf,
    /// The digest of the unpacked tar, `sha256:…`, from the image's configuration.
    pub diff_id: String,
}

/// The unpacked bytes of a layer.
pub(crate) struct LayerReader {
    content: Box<dyn Read + Send>,
    cancel: Cancel,
    /// Present in the first pass, which bounds and hashes what it unpacks.
    check: Option<(Arc<Budget>, Context)>,
}

impl LayerFile {
    /// Opens the layer. With a budget, what it unpacks is taken from it and hashed for [`LayerReader::finish`].
    pub(crate) fn open(&self, budget: Option<Arc<Budget>>, cancel: &Cancel) -> Result<LayerReader, Error> {
        let failed =
            |error| Error::storage(format!("open layer {}", self.path.display()), error).in_layer(&self.path);
        let mut file = File::open(&self.path).map_err(failed)?;
        let mut start = Vec::with_capacity(Packing::START);
        (&file).take(Packing::START as u64).read_to_end(&mut start).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let packing = Packing::detect(&start)
            .map_err(|error| Error::unsupported(format!("read layer: {error}")).in_layer(&self.path))?;
        // The flag is checked here too: a stream that unpacks to nothing may go on for long.
        let mut content = packing.decoder(Cancellable::new(file, cancel)).map_err(failed)?;
        if packing != Packing::None {
            content = Box::new(ReadAhead::new(content).map_err(failed)?);
        }
        let check = budget.map(|budget| (budget, Context::new(&SHA256)));
        Ok(LayerReader { content, cancel: cancel.clone(), check })
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
            ErrorCode::ImageDigestMismatch,
            format!("verify layer: its content is {found}, the image's configuration says {diff_id}"),
        ))
    }
}

impl Skip for LayerReader {}

impl Read for LayerReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.cancel.check()?;
        let read = self.content.read(buf)?;
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
