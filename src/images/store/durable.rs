//! Files that are either old or new, never half, whatever happens meanwhile. Called by `index` and `partial`.

use std::{fs::File, io, io::Write, path::Path};

/// Replaces `path` by `bytes`: temporary file, flush, rename, flush of the folder.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_dir(dir)
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
