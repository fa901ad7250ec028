//! Fields of a tar header that the `tar` crate leaves to its caller's judgement. Used by `tar`.

use std::io;

use ::tar::{EntryType, Header};

use crate::Error;

/// A numeric field; one that was left blank is zero, as in Go's archive/tar, which writes most layers.
pub(crate) fn number<T: Default>(field: &[u8], parse: impl FnOnce() -> io::Result<T>) -> Result<T, Error> {
    if field.iter().all(|&byte| byte == 0 || byte == b' ') {
        return Ok(T::default());
    }
    parse().map_err(malformed)
}

/// Links, directories and devices have none, whatever their size field says; Go's and GNU's readers agree.
pub(crate) fn has_content(kind: EntryType) -> bool {
    !(kind.is_hard_link()
        || kind.is_symlink()
        || kind.is_dir()
        || kind.is_fifo()
        || kind.is_character_special()
        || kind.is_block_special())
}

pub(crate) fn device(header: &Header, kind: EntryType) -> Result<(u32, u32), Error> {
    if !kind.is_character_special() && !kind.is_block_special() {
        return Ok((0, 0));
    }
    Ok((
        header.device_major().map_err(malformed)?.unwrap_or(0),
        header.device_minor().map_err(malformed)?.unwrap_or(0),
    ))
}

#[allow(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
pub(crate) fn malformed(source: io::Error) -> Error {
    Error::corrupt(format!("read tar: malformed header: {source}"))
}
