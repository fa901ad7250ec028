//! Copying the content of a file into another, with its holes. Called by `cp` and `tree`.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use boxlite_archive::Content;
use nix::{errno::Errno, fcntl::copy_file_range};

const BUFFER: usize = 128 * 1024;
/// Most bytes that one system call copies.
const STEP: u64 = 64 << 20;

/// Copies all of `source` into `target`, which is empty. What the kernel can copy itself does not pass through this process.
pub(super) fn copy_content(source: &File, target: &File) -> io::Result<()> {
    let meta = source.metadata()?;
    let mut content = Content::new(source, &meta);
    // A file without known extents is copied as one.
    if content.extent()?.is_none() && meta.len() > 0 {
        content.advance(by_kernel(source, target, 0, meta.len())?);
    }
    while let Some((at, length)) = content.extent()? {
        let copied = by_kernel(source, target, at, length)?;
        content.advance(copied);
        if copied < length {
            break;
        }
    }
    let mut buffer = Vec::new();
    let mut written = 0;
    loop {
        if buffer.is_empty() {
            buffer.resize(BUFFER, 0);
        }
        let Some((at, length)) = content.read(&mut buffer)? else { break };
        target.write_all_at(&buffer[..length], at)?;
        written = at + length as u64;
    }
    // A hole at the end.
    if content.position() > written {
        target.set_len(content.position())?;
    }
    Ok(())
}

/// Lets the kernel copy, and returns how many bytes it has copied. That is less if the source ends or if it can't copy between these
/// file systems.
fn by_kernel(source: &File, target: &File, at: u64, length: u64) -> io::Result<u64> {
    let begin = i64::try_from(at).map_err(|_| io::Error::from_raw_os_error(Errno::EFBIG as i32))?;
    let (mut from, mut to) = (begin, begin);
    let mut left = length;
    while left > 0 {
        let step = usize::try_from(left.min(STEP)).unwrap_or(BUFFER);
        match copy_file_range(source, Some(&mut from), target, Some(&mut to), step) {
            Ok(0) => break,
            Ok(copied) => left -= (copied as u64).min(left),
            Err(Errno::EINTR) => {}
            Err(
                Errno::EXDEV
                | Errno::EINVAL
                | Errno::ENOSYS
                | Errno::EOPNOTSUPP
                | Errno::EBADF
                | Errno::ETXTBSY,
            ) => {
                break;
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(length - left)
}
