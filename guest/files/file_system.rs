//! The status of a file system. Called by `call`.

use std::path::Path;

use boxlite_proto::v1::FileSystemStat;
use nix::sys::statfs::statfs;

use super::fault::{Call as _, Outcome};

/// Size and free space of the file system that has `path`.
pub(super) fn status(path: &Path) -> Outcome<FileSystemStat> {
    let stat = statfs(path).call("statfs", path)?;
    Ok(FileSystemStat {
        kind: stat.filesystem_type().0.cast_unsigned(),
        block_size: stat.block_size().cast_unsigned(),
        blocks: stat.blocks(),
        free: stat.blocks_free(),
        available: stat.blocks_available(),
        files: stat.files(),
        files_free: stat.files_free(),
    })
}
