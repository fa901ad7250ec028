//! Opening, reading and writing a file of the container. Called by `call` and `stream`.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

use nix::{
    fcntl::{self, OFlag},
    sys::stat::Mode,
};

use super::fault::{Call as _, Outcome};

/// Opens with Linux's flags. It does not wait for the other end of a FIFO, which untrusted processes may never open.
pub(super) fn open(path: &Path, flags: u32, mode: u32) -> Outcome<File> {
    let ours = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let flags = OFlag::from_bits_retain(flags.cast_signed()) | ours;
    fcntl::open(path, flags, Mode::from_bits_truncate(mode)).map(File::from).call("open", path)
}

/// Reads at `offset`, or at the file's own position, until `buffer` is full or the file ends.
pub(super) fn read(mut file: &File, offset: Option<u64>, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        let read = match offset {
            Some(offset) => file.read_at(&mut buffer[done..], offset + done as u64),
            None => io::Read::read(&mut file, &mut buffer[done..]),
        };
        match read {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A pipe or a device has nothing more for now.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes all of `data` at `offset`, or at the file's own position.
pub(super) fn write(mut file: &File, offset: Option<u64>, data: &[u8]) -> io::Result<()> {
    match offset {
        Some(offset) => file.write_all_at(data, offset),
        None => io::Write::write_all(&mut file, data),
    }
}
