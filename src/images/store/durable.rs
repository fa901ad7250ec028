//! Files that are either old or new, never half, whatever happens meanwhile. Called by `index` and `partial`.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Replaces `path` by `bytes`: temporary file, flush, rename, flush of the folder. One writer at a time: the temporary file
/// always has the same name, so that a writer who is killed leaves nothing that the next does not replace.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_added_extension("new");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary);
    let mut file = file.and_then(own)?;
    let written =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| sync_dir(path.parent().unwrap_or(Path::new("."))))
}

/// Makes a file its owner's alone, whatever the umask was or is: an image may be private.
pub(super) fn own(file: File) -> io::Result<File> {
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Makes a folder that is its owner's alone.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
