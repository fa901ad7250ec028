//! Files that are either old or new, never half, whatever happens meanwhile. Called by `index` and `partial`.

use std::{
    fs::{self, File},
    io,
    io::Write,
    path::Path,
};

/// Replaces `path` by `bytes`: temporary file, flush, rename, flush of the folder. One writer at a time: the temporary file
/// always has the same name, so that a writer who is killed leaves nothing that the next does not replace.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_added_extension("new");
    let mut file = File::create(&temporary)?;
    let written =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| sync_dir(path.parent().unwrap_or(Path::new("."))))
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
