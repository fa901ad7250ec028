//! Making directories and copying single files. Called by `call` and `cp`.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use bytes::Bytes;
use nix::libc;

use super::{
    content::copy_content,
    fault::{Call as _, Outcome, Towards as _, fault},
    path::bytes_of,
};

/// Makes a directory. With `recursive` its parents are made too, and a directory that exists is no failure. Returns the first that
/// was made.
pub(super) fn make_directory(path: &Path, mode: u32, recursive: bool) -> Outcome<Option<Bytes>> {
    let mut builder = fs::DirBuilder::new();
    builder.mode(mode & 0o7777);
    if !recursive {
        return builder.create(path).call("mkdir", path).map(|()| None);
    }
    let mut missing: Vec<&Path> = Vec::new();
    for ancestor in path.ancestors().filter(|path| !path.as_os_str().is_empty()) {
        match fs::metadata(ancestor) {
            Ok(meta) if meta.is_dir() => break,
            Ok(_) if missing.is_empty() => return Err(fault(libc::EEXIST, "mkdir", path)),
            Ok(_) => return Err(fault(libc::ENOTDIR, "mkdir", path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(ancestor),
            Err(error) => return Err(error).call("mkdir", path),
        }
    }
    let first = missing.last().map(|path| bytes_of(path));
    for directory in missing.into_iter().rev() {
        match builder.create(directory) {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
            other => other.call("mkdir", path)?,
        }
    }
    Ok(first)
}

/// Copies one file with its mode. With `exclusive` it fails if the target exists.
pub(super) fn copy_file(from: &Path, to: &Path, exclusive: bool, syscall: &str) -> Outcome<()> {
    let copied = || -> io::Result<()> {
        let source = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(from)?;
        let meta = source.metadata()?;
        if meta.is_dir() {
            return Err(io::Error::from_raw_os_error(libc::EISDIR));
        }
        let mut options = OpenOptions::new();
        options.write(true).create(!exclusive).create_new(exclusive);
        options.mode(meta.mode() & 0o7777).custom_flags(libc::O_NONBLOCK);
        let target = options.open(to)?;
        let present = target.metadata()?;
        if (present.dev(), present.ino()) == (meta.dev(), meta.ino()) {
            return Ok(());
        }
        if present.is_file() {
            target.set_len(0)?;
            target.set_permissions(fs::Permissions::from_mode(meta.mode() & 0o7777))?;
        }
        copy_content(&source, &target)
    };
    copied().call(syscall, from).towards(to)
}
