//! A text file that is read again only when it has changed.
//!
//! Used by `accounts`. The file is an image's, so its size is bounded.

use std::{
    borrow::Cow,
    fs::{self, Metadata, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    time::{SystemTime, UNIX_EPOCH},
};

use nix::fcntl::OFlag;

/// Most bytes that are read of the file.
const FILE_LIMIT: u64 = 4 << 20;

/// Most bytes of a file that is cached.
const CACHED: usize = 64 << 10;

/// Seconds after its last change from which on a file may be cached.
const SETTLED: i64 = 2;

/// The state and the text of a file when it was read last.
#[derive(Debug, Default)]
pub(super) struct CachedFile(Option<(Stamp, String)>);

/// What differs between any two states of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        let (file, changed) = ((meta.dev(), meta.ino()), (meta.ctime(), meta.ctime_nsec()));
        Self { file, size: meta.size(), changed }
    }

    /// Whether any further change would show. A change in the same tick of the kernel's clock would not.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        i64::try_from(now).is_ok_and(|now| self.changed.0 + SETTLED < now)
    }
}

impl CachedFile {
    /// The text of the regular file `path`, or nothing if there is no such file. Anything else is an error, since a FIFO or a device
    /// could block its reader for ever.
    pub(super) fn read(&mut self, path: &str) -> io::Result<Cow<'_, str>> {
        let present = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Cow::default()),
            Ok(meta) if !meta.is_file() => return Err(irregular()),
            present => Stamp::of(&present?),
        };
        if self.0.as_ref().is_none_or(|(known, _)| *known != present) {
            self.0 = None;
            let (stamp, text) = read(path)?;
            if text.len() > CACHED || !stamp.is_settled() {
                return Ok(Cow::Owned(text));
            }
            self.0 = Some((stamp, text));
        }
        Ok(self.0.as_ref().map_or_else(Cow::default, |(_, text)| Cow::Borrowed(text.as_str())))
    }
}

fn read(path: &str) -> io::Result<(Stamp, String)> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(irregular());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len().min(FILE_LIMIT)).unwrap_or(0) + 1);
    file.take(FILE_LIMIT).read_to_end(&mut bytes)?;
    Ok((Stamp::of(&meta), String::from_utf8_lossy(&bytes).into_owned()))
}

fn irregular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a regular file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_has_changed() {
        let path = std::env::temp_dir().join(format!("boxlite-passwd-{}", std::process::id()));
        let path = path.to_str().expect("UTF-8");
        let mut file = CachedFile::default();
        assert_eq!(file.read(path).expect("nothing"), "");
        fs::write(path, "first").expect("write");
        assert_eq!(file.read(path).expect("read"), "first");
        assert!(file.0.is_none(), "it may still change without a trace");
        // As if that had been long ago.
        let (stamp, _) = read(path).expect("read");
        file.0 = Some((stamp, "kept".into()));
        assert_eq!(file.read(path).expect("kept"), "kept");
        fs::write(path, "another").expect("write");
        assert_eq!(file.read(path).expect("read"), "another");
        fs::remove_file(path).expect("remove");
        assert_eq!(file.read(path).expect("nothing"), "");
    }
}
