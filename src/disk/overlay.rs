//! A box's own disk: a qcow2 file that holds what the box wrote, on top of a shared base. Called by the runtime when it
//! makes a box; opened by the engines, never again by this crate.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Component, Path, PathBuf},
};

use boxlite_durable::folder_of;
use futures::executor::block_on;
use imago::{
    DenyImplicitOpenGate, FormatAccess, FormatCreateBuilder, FormatDriverBuilder, StorageOpenOptions,
    file::File as Storage, qcow2::Qcow2,
};

use crate::{
    base::BaseDisk,
    block_groups::GROUP,
    error::Error,
    padded::read_padded,
    resize::{Groups, Patch},
};

/// Bytes that a box has beside an image that would fill the default size.
const HEADROOM: u64 = 4 << 30;
/// The longest name of a base that a qcow2 header holds (QEMU, docs/interop/qcow2.txt), in bytes.
const LONGEST_BACKING: usize = 1023;
/// imago's default, and qemu-img's.
const CLUSTER: u64 = 64 * 1024;

/// A qcow2 overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// The qcow2 file.
    pub path: PathBuf,
    /// The size of the disk as the box sees it, in bytes.
    pub virtual_size: u64,
}

impl Overlay {
    /// Makes an empty overlay at `path`, where nothing may be yet, durable when this returns. It names its base from its own
    /// folder on, since a qcow2 file holds 1023 bytes of text while a home may have any path, and says that it is raw,
    /// so that no engine ever guesses a format from what a box wrote.
    ///
    /// The disk and its file system have `size` bytes, rounded up to 128 MiB, or by default the base's: another one is
    /// written into the overlay as a few blocks of descriptors.
    ///
    /// # Errors
    /// [`ImageTooLarge`](boxlite_error::ErrorCode::ImageTooLarge) if the image needs more than `size`, or the host's file system or the qcow2 engine fails.
    pub fn create(path: impl Into<PathBuf>, base: &BaseDisk, size: Option<u64>) -> Result<Self, Error> {
        let path = path.into();
        let failed = |error| Error::storage(format!("make disk {}", path.display()), error);
        let backing = fs::canonicalize(&base.path).map_err(failed)?;
        let image = File::open(&backing).map_err(failed)?;
        let backing = relative(&fs::canonicalize(folder_of(&path)).map_err(failed)?, &backing);
        let backing = backing.to_str().filter(|name| name.len() <= LONGEST_BACKING).ok_or_else(|| {
            let what = format!("make disk: base {}: seen from {}", backing.display(), path.display());
            Error::unsupported(format!("{what}, its name is no text of {LONGEST_BACKING} bytes at most"))
        })?;
        let groups = Groups::read(&image)?;
        let size = size.map_or_else(|| default_size(base, &groups), |size| size.next_multiple_of(GROUP));
        let patches = if size == base.virtual_size { Vec::new() } else { groups.resize(size)? };
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(failed)?;
        // Whatever the umask: the disk is its owner's alone.
        let made = boxlite_durable::set_mode(&file, 0o600)
            .and_then(|()| file.try_clone())
            .and_then(|copy| write(copy, backing, size, &clusters(&image, patches)?))
            .and_then(|()| file.sync_all())
            .and_then(|()| boxlite_durable::sync_folder(folder_of(&path)));
        if let Err(error) = made {
            let _ = fs::remove_file(&path);
            return Err(failed(error));
        }
        Ok(Self { path, virtual_size: size })
    }
}

/// What the overlay at `path` names as its base; `None` where it is no qcow2 file with one (QEMU, docs/interop/qcow2.txt).
pub(crate) fn backing_name(path: &Path) -> io::Result<Option<String>> {
    let file = File::open(path)?;
    let read = |bytes: &mut [u8], at| match file.read_exact_at(bytes, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    };
    let mut header = [0; 20];
    if !read(&mut header, 0)? || header[..4] != *b"QFI\xfb" {
        return Ok(None);
    }
    let number = |at: usize| header[at..at + 4].iter().fold(0, |n, &byte| n << 8 | u64::from(byte));
    let (offset, length) = (number(8) << 32 | number(12), number(16));
    let Some(length) = usize::try_from(length).ok().filter(|&length| (1..=LONGEST_BACKING).contains(&length))
    else {
        return Ok(None);
    };
    let mut name = vec![0; length];
    Ok(if read(&mut name, offset)? { String::from_utf8(name).ok() } else { None })
}

/// The base's size, or some more where the image leaves too little of it.
fn default_size(base: &BaseDisk, groups: &Groups) -> u64 {
    let least = groups.least();
    if least + least / 4 <= base.virtual_size {
        return base.virtual_size;
    }
    (least + HEADROOM).max(base.virtual_size)
}

/// Whole clusters of the base with the patches applied: imago need not copy what is around them then.
fn clusters(base: &File, patches: Vec<Patch>) -> io::Result<BTreeMap<u64, Vec<u8>>> {
    let mut clusters = BTreeMap::new();
    for Patch { mut offset, bytes } in patches {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let at = offset / CLUSTER * CLUSTER;
            let cluster: &mut Vec<u8> = match clusters.entry(at) {
                std::collections::btree_map::Entry::Occupied(found) => found.into_mut(),
                std::collections::btree_map::Entry::Vacant(vacant) => {
                    vacant.insert(read_padded(base, at, CLUSTER)?)
                }
            };
            let from = usize::try_from(offset - at).unwrap_or(0);
            let length = rest.len().min(cluster.len() - from);
            cluster[from..from + length].copy_from_slice(&rest[..length]);
            rest = &rest[length..];
            offset += length as u64;
        }
    }
    Ok(clusters)
}

/// imago's futures are blocking calls in disguise (its file driver never suspends), so any executor will do; tokio's
/// would panic inside a tokio thread.
fn write(file: File, backing: &str, size: u64, clusters: &BTreeMap<u64, Vec<u8>>) -> io::Result<()> {
    let again = file.try_clone()?;
    let storage = |file| Storage::from_open_file(file, StorageOpenOptions::new().write(true));
    let create = Qcow2::<Storage>::create_builder(storage(file)?).size(size);
    block_on(create.backing(backing.to_owned(), "raw".to_owned()).create())?;
    if clusters.is_empty() {
        return Ok(());
    }
    block_on(async {
        let disk = Qcow2::<Storage>::builder(storage(again)?).write(true).backing(None);
        let disk = FormatAccess::new(disk.open(DenyImplicitOpenGate::default()).await?);
        for (offset, cluster) in clusters {
            disk.write(cluster.as_slice(), *offset).await?;
        }
        disk.flush().await
    })
}

/// The way from the folder `from` to `to`. Both are free of links, so that `..` means what it says.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_goes_up_to_the_common_folder_and_down_again() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to)).display().to_string();
        assert_eq!(way("/h/boxes/a", "/h/images/disks/x"), "../../images/disks/x");
        assert_eq!(way("/h", "/h/x"), "x");
        assert_eq!(way("/a/b", "/c"), "../../c");
    }
}
