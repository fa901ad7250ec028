//! Files that the runtime owns inside the rootfs: /etc/hosts, /etc/hostname, /etc/resolv.conf.
//!
//! Called by `init` after `pivot_root`, so no path leads out of the rootfs.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use boxlite_proto::v1::File;
use nix::fcntl::OFlag;

use super::mounts::make_dir;
use crate::{Context as _, Error, Kind, Result};

/// Mode of a file whose request names none.
const DEFAULT_MODE: u32 = 0o644;

/// Puts `file` where it belongs. A symlink there is replaced, not followed: images link resolv.conf to a place that
/// only their own init would make.
pub(super) fn write(file: &File) -> Result<()> {
    let path = Path::new(&file.path);
    if !path.is_absolute() {
        return Err(Error::new(Kind::Invalid, format!("write file {:?}: path is not absolute", file.path)));
    }
    let mode = if file.mode == 0 { DEFAULT_MODE } else { file.mode & 0o7777 };
    if holds(path, file, mode) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    replace(path, &file.content, mode).context(|| format!("write file {} in the rootfs", path.display()))
}

/// Whether it is all there already, as at every start but the first: reading is cheaper than a write to the disk.
fn holds(path: &Path, file: &File, mode: u32) -> bool {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let Ok(mut present) = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) else {
        return false;
    };
    let Ok(meta) = present.metadata() else { return false };
    if !meta.is_file()
        || meta.permissions().mode() & 0o7777 != mode
        || meta.len() != file.content.len() as u64
    {
        return false;
    }
    let mut content = Vec::with_capacity(file.content.len());
    present.read_to_end(&mut content).is_ok() && content == file.content
}

fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        removed => removed?,
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(path)?;
    file.write_all(content)?;
    // `mode` above went through the umask.
    file.set_permissions(fs::Permissions::from_mode(mode))
}
