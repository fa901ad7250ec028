//! Fields of a tar header that the `tar` crate leaves to its caller's judgement. Called by `reader`.

use std::io;

use ::tar::{EntryType, Header};

use super::error::TarError;

/// A numeric field; one that was left blank is zero, as in Go's archive/tar, which writes most layers.
pub(super) fn number<T: Default>(field: &[u8], parse: impl FnOnce() -> io::Result<T>) -> Result<T, TarError> {
    if field.iter().all(|&byte| byte == 0 || byte == b' ') {
        return Ok(T::default());
    }
    parse().map_err(malformed)
}

/// Links, directories and devices have none, whatever their size field says; Go's and GNU's readers agree.
pub(super) fn has_content(kind: EntryType) -> bool {
    use EntryType::{Block, Char, Directory, Fifo, Link, Symlink};
    !matches!(kind, Link | Symlink | Directory | Fifo | Char | Block)
}

pub(super) fn device(header: &Header, kind: EntryType) -> Result<(u32, u32), TarError> {
    if !kind.is_character_special() && !kind.is_block_special() {
        return Ok((0, 0));
    }
    let fields = match (header.as_ustar(), header.as_gnu()) {
        (Some(ustar), _) => (&ustar.dev_major, &ustar.dev_minor),
        (None, Some(gnu)) => (&gnu.dev_major, &gnu.dev_minor),
        (None, None) => return Ok((0, 0)),
    };
    let major = number(fields.0, || header.device_major())?;
    let minor = number(fields.1, || header.device_minor())?;
    Ok((major.unwrap_or(0), minor.unwrap_or(0)))
}

#[allow(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
pub(super) fn malformed(source: io::Error) -> TarError {
    TarError::corrupt(format!("read tar: malformed header: {source}"))
}
