//! The second pass: the merged tree becomes an ext4 image, its files' content streamed out of the layers. Called by `base`.

#[cfg(test)]
mod reference;

use std::{collections::HashMap, fs::File};

use boxlite_archive::{SparseMap, SparseReader, TarReader};
use boxlite_unpack::Cancel;
use mkext4::spec::file_type;

use super::{
    attributes::{self, Attributes},
    directory::Directory,
    dirent::Entry,
    disk::Disk,
    extents::Root,
    geometry::{Geometry, JOURNAL_BLOCKS},
    groups,
    inode::Inode,
    order::{LOST_FOUND, LOST_FOUND_INO, Order, listed},
};
use crate::{
    block_groups::{BLOCK, GROUP},
    error::Error,
    estimate::SizeEstimate,
    layer::{LayerFile, LayerReader},
    limits::Limits,
    tree::{Kind, NodeId, ROOT, Tree},
};

/// Bytes of the longest target that a symbolic link's inode holds.
const SHORT_TARGET: usize = 59;

/// A planned image: nothing is written yet.
pub(crate) struct Image<'tree> {
    tree: &'tree Tree,
    order: Order,
    geometry: Geometry,
    uuid: [u8; 16],
    /// Bytes that the image will take on the host, more or less.
    pub(crate) footprint: u64,
    /// Bytes of the files' content as the disk stores it.
    pub(crate) content: u64,
}

/// A regular file as its layer has it.
struct Content<'tree> {
    size: u64,
    ordinal: u32,
    layer: u16,
    sparse: Option<&'tree SparseMap>,
}

impl Content<'_> {
    /// Whether it has any block.
    fn is_stored(&self) -> bool {
        self.sparse.map_or(self.size, SparseMap::stored) > 0
    }
}

impl<'tree> Image<'tree> {
    /// Plans the image of `tree`: no larger than the tree needs.
    pub(crate) fn plan(tree: &'tree Tree, uuid: [u8; 16]) -> Result<Self, Error> {
        let estimate = SizeEstimate::of(tree);
        let geometry = Geometry { groups: estimate.groups(JOURNAL_BLOCKS) };
        let footprint = estimate.content + tree.len() as u64 * 512 + geometry.groups * 2 * BLOCK;
        Ok(Self { tree, order: Order::of(tree)?, geometry, uuid, footprint, content: estimate.content })
    }

    /// Bytes of the disk.
    pub(crate) fn size(&self) -> u64 {
        self.geometry.groups * GROUP
    }

    /// Writes the image into `file`, which must be empty, but may be longer than the image.
    pub(crate) fn write(
        &self,
        file: &File,
        layers: &[LayerFile],
        limits: Limits,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let mut disk = Disk::new(file, self.geometry, self.uuid, cancel);
        let journal = disk.system()?;
        for &(dir, parent) in &self.order.dirs {
            self.dir(&mut disk, dir, parent)?;
        }
        // Blocks of attributes stand before all content; few files have one.
        let mut blocks = HashMap::new();
        for &file in &self.order.files {
            let block = disk.attributes(self.tree.xattrs(self.tree.node(file)))?.block;
            if block != 0 {
                blocks.insert(file, block);
            }
        }
        for &other in &self.order.others {
            self.other(&mut disk, other)?;
        }
        for files in
            self.order.files.chunk_by(|&one, &next| self.content(one).layer == self.content(next).layer)
        {
            let layer = &layers[usize::from(self.content(files[0]).layer)];
            self.files(&mut disk, layer, files, &blocks, (limits, cancel))
                .map_err(|e| e.in_layer(&layer.path))?;
        }
        groups::write(&mut disk, self.order.last, &journal)?;
        disk.flush()
    }

    fn dir(&self, disk: &mut Disk<'_>, dir: NodeId, parent: u32) -> Result<(), Error> {
        let node = self.tree.node(dir);
        let number = self.order.inode(dir);
        let attributes = disk.attributes(self.tree.xattrs(node))?;
        let mut entries: Vec<_> = listed(self.tree, dir)
            .map(|(name, child)| {
                let kind = file_type(self.tree.node(child).kind);
                Entry { name, inode: self.order.inode(child), kind }
            })
            .collect();
        // As they were numbered, which is the order of their names for what is not a file.
        entries.sort_unstable_by_key(|entry| (entry.inode, entry.name));
        if dir == ROOT {
            let lost_found = Entry { name: LOST_FOUND, inode: LOST_FOUND_INO, kind: file_type::DIR };
            entries.insert(0, lost_found);
        }
        // Itself, its name, and each directory in it.
        let dirs = entries.iter().filter(|entry| entry.kind == file_type::DIR).count();
        let links = u32::try_from(dirs).unwrap_or(u32::MAX).saturating_add(2);
        let directory = Directory::new(number, parent, entries, &self.uuid)?;
        let (size, root) = disk.directory(number, &directory)?;
        let inode = Inode::new(file_type::DIR, node.meta, links, attributes).with_content(size, &root);
        disk.inode(number, inode.indexed(directory.is_indexed()))
    }

    fn other(&self, disk: &mut Disk<'_>, other: NodeId) -> Result<(), Error> {
        let node = self.tree.node(other);
        let number = self.order.inode(other);
        let attributes = disk.attributes(self.tree.xattrs(node))?;
        let inode = Inode::new(file_type(node.kind), node.meta, self.order.links(other), attributes);
        let inode = match node.kind {
            Kind::Symlink(target) => {
                let target = self.tree.target(target).as_bytes();
                if target.len() <= SHORT_TARGET {
                    inode.with_target(target)
                } else {
                    inode.with_content(target.len() as u64, &disk.short(number, target)?)
                }
            }
            Kind::Special(special) => inode.with_device(special),
            Kind::Dir(_) | Kind::File { .. } => inode,
        };
        disk.inode(number, inode)
    }

    /// Streams one layer's files to their places; a layer that holds no content is not read again.
    fn files(
        &self,
        disk: &mut Disk<'_>,
        layer: &LayerFile,
        files: &[NodeId],
        blocks: &HashMap<NodeId, u64>,
        (limits, cancel): (Limits, &Cancel),
    ) -> Result<(), Error> {
        let mut tar: Option<TarReader<LayerReader>> = None;
        for &file in files {
            let node = self.tree.node(file);
            let number = self.order.inode(file);
            let content = self.content(file);
            let root = if content.is_stored() {
                let archive = match tar.take() {
                    Some(archive) => archive,
                    None => TarReader::new(layer.open(None, cancel)?, limits.header_bytes),
                };
                fill(disk, number, &content, tar.insert(archive))?
            } else {
                disk.map(number, &[])?
            };
            let body = attributes::split(self.tree.xattrs(node)).0;
            let attributes = Attributes { body, block: blocks.get(&file).copied().unwrap_or(0) };
            let inode = Inode::new(file_type::REG, node.meta, self.order.links(file), attributes);
            disk.inode(number, inode.with_content(content.size, &root))?;
        }
        Ok(())
    }

    fn content(&self, file: NodeId) -> Content<'tree> {
        match self.tree.node(file).kind {
            Kind::File { size, ordinal, layer, sparse } => {
                Content { size, ordinal, layer, sparse: sparse.map(|id| self.tree.sparse(id)) }
            }
            _ => Content { size: 0, ordinal: 0, layer: 0, sparse: None },
        }
    }
}

/// Goes on in the layer to a file, and copies it to the disk.
fn fill(
    disk: &mut Disk<'_>,
    number: u32,
    content: &Content<'_>,
    tar: &mut TarReader<LayerReader>,
) -> Result<Root, Error> {
    let changed = || Error::corrupt("read layer: it changed between two reads");
    let entry = loop {
        let entry = tar.next()?.ok_or_else(changed)?;
        if entry.ordinal == content.ordinal {
            break entry;
        }
    };
    if entry.sparse.as_ref() != content.sparse || entry.sparse.is_none() && entry.size != content.size {
        return Err(changed());
    }
    match content.sparse {
        Some(map) => disk.file(number, map.blocks(), &mut SparseReader::new(map, tar)),
        None => disk.file(number, [(0, content.size)], tar),
    }
}

/// The type of a directory entry that leads to a node.
fn file_type(kind: Kind) -> u8 {
    match kind {
        Kind::Dir(_) => file_type::DIR,
        Kind::File { .. } => file_type::REG,
        Kind::Symlink(_) => file_type::SYMLINK,
        Kind::Special(special) => special.kind,
    }
}
