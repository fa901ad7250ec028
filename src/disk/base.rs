//! A base: the finished ext4 image of one OCI image. Built here, kept by `storage`, laid under boxes by `overlay`.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use boxlite_error::ErrorCode;
use boxlite_unpack::Cancel;
use nix::sys::statvfs::fstatvfs;

use crate::{
    error::Error, ext4::Image, index::index, layer::LayerFile, limits::Limits, resize::Groups, tree::Tree,
};

/// The size of a box's disk unless its options say otherwise, in bytes: 16 GiB is what one block of descriptors covers.
pub const DEFAULT_SIZE: u64 = 16 << 30;

/// A read-only ext4 image that any number of overlays share. Never write to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseDisk {
    /// The raw image, a sparse file.
    pub path: PathBuf,
    /// The size of the disk as a box sees it unless its overlay has another, in bytes.
    pub virtual_size: u64,
}

/// Builds the image of `layers`, lowest first, into the empty file `file`. The disk has `size`
/// bytes, or what the image needs if that is more.
pub(crate) fn build(
    file: &File,
    layers: &[LayerFile],
    size: u64,
    uuid: [u8; 16],
    limits: Limits,
    cancel: &Cancel,
) -> Result<(), Error> {
    let mut tree = Tree::new(&limits);
    index(layers, &limits, cancel, |layer, entry| {
        cancel.check().map_err(|error| Error::reading("merge layers", error))?;
        tree.apply(layer, entry)
    })?;
    let image = Image::plan(&tree, uuid)?;
    // A byte in a hole of a sparse file takes a block: the disk's own size is bounded as well as the archives'.
    if image.content > limits.unpacked_bytes {
        return Err(Error::too_large(format!(
            "make the disk image: its files take {} bytes of disk, of which {} are allowed",
            image.content, limits.unpacked_bytes
        )));
    }
    check_space(file, image.footprint)?;
    let size = size.max(image.size());
    file.set_len(size).map_err(|error| Error::storage("write the disk image", error))?;
    image.write(file, layers, limits, cancel)?;
    for patch in Groups::read(file)?.resize(size)? {
        file.write_all_at(&patch.bytes, patch.offset)
            .map_err(|error| Error::storage("size the disk image", error))?;
    }
    Ok(())
}

/// Checks the free space first, since running out of it halfway costs the user minutes.
fn check_space(file: &File, needed: u64) -> Result<(), Error> {
    let stat = fstatvfs(file).map_err(|error| Error::storage("read the free space", error.into()))?;
    let free = stat.blocks_available().saturating_mul(stat.fragment_size());
    if needed <= free {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::StorageFull,
        format!("make the disk image: it needs {needed} bytes, and {free} are free"),
    ))
}

impl BaseDisk {
    pub(crate) fn at(path: &Path) -> Result<Self, Error> {
        let meta =
            path.metadata().map_err(|error| Error::storage(format!("open {}", path.display()), error))?;
        Ok(Self { path: path.to_owned(), virtual_size: meta.len() })
    }
}
