//! Extended attributes of a file, as far as copies keep them: `user.*` and `security.capability`. Called by `pack`, `send` and `record`.

use std::{ffi::OsString, fs::File, io, os::unix::ffi::OsStrExt as _};

use nix::errno::Errno;
use xattr::FileExt as _;

/// Most bytes of all attributes of one file, which is what Linux has for their names alone.
pub(crate) const MOST: usize = 1 << 20;

/// Names and values.
pub(crate) type Attributes = Vec<(OsString, Vec<u8>)>;

/// Whether a copy keeps it: the other names are the kernel's, or mean nothing elsewhere.
pub(crate) fn is_kept(name: &[u8]) -> bool {
    name == b"security.capability" || name.strip_prefix(b"user.").is_some_and(|rest| !rest.is_empty())
}

/// Those of `file`.
pub(crate) fn of(file: &File) -> io::Result<Attributes> {
    let names = match file.list_xattr() {
        // The file system has none.
        Err(error) if error.raw_os_error() == Some(Errno::ENOTSUP as i32) => return Ok(Vec::new()),
        names => names?,
    };
    let (mut attributes, mut bytes) = (Vec::new(), 0);
    for name in names.filter(|name| is_kept(name.as_bytes())) {
        let Some(value) = file.get_xattr(&name)? else { continue };
        bytes += name.len() + value.len();
        if bytes > MOST {
            return Err(io::Error::from_raw_os_error(Errno::E2BIG as i32));
        }
        attributes.push((name, value));
    }
    Ok(attributes)
}
