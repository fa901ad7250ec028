//! The second pass: the merged tree becomes an ext4 image, its files' content streamed out of the layers. Called by
//! `base`; the image itself is `mkext4`'s work.
//!
//! The same tree gives the same bytes: directories are declared depth first by name, then files in the order in which
//! the layers hold them, so that content is written to the disk in one ascending sweep.

use std::{
    fs::File,
    io::{self, Read},
};

use mkext4::{FsBuilder, InodeCount, InodeHandle, Layout, Options, RegionSink, build::ImageWriter};

use crate::{
    Error, LayerFile, Limits,
    entry::{Attributes, Leaf},
    resize::GROUP,
    room::{BLOCK, INODES_PER_GROUP, Room},
    sink::DiskSink,
    sparse::{SparseMap, SparseReader},
    tar::TarReader,
    tree::{Kind, NodeId, ROOT, Tree},
};

/// 32 MiB: the journal is rewritten in a circle, so its length is what an idle box's overlay grows by in the long run.
const JOURNAL_BLOCKS: u32 = 8192;
/// The engine makes this directory in every root.
const LOST_FOUND: &str = "lost+found";

/// A sealed image: every address is known, nothing is written yet.
pub(crate) struct Image<'tree> {
    layout: Layout,
    /// By layer, the files whose content it holds, in its order.
    files: Vec<Vec<Content<'tree>>>,
    /// Bytes that the image will take on the host, more or less.
    pub(crate) footprint: u64,
}

struct Content<'tree> {
    ordinal: u64,
    handle: InodeHandle,
    size: u64,
    sparse: Option<&'tree SparseMap>,
}

/// A name of a leaf, waiting to be declared.
struct Named<'tree> {
    dir: InodeHandle,
    name: &'tree str,
    node: NodeId,
}

impl<'tree> Image<'tree> {
    /// Declares `tree`, which came from `layers` layers, and fixes the layout: no larger than the tree needs.
    pub(crate) fn seal(tree: &'tree Tree, layers: usize, uuid: [u8; 16]) -> Result<Self, Error> {
        let room = Room::of(tree);
        let groups = room.groups(JOURNAL_BLOCKS.into());
        let mut options = Options::new(groups * GROUP, uuid, 0);
        options.inodes = InodeCount::Exact(u32::try_from(groups * INODES_PER_GROUP).unwrap_or(u32::MAX));
        options.journal_blocks = Some(JOURNAL_BLOCKS);
        options.reserved_percent = 0;
        options.label = Some("boxlite".into());
        let builder = FsBuilder::new(options).map_err(|e| Error::engine("start the disk image", e))?;
        let mut declare = Declare {
            tree,
            builder,
            handles: vec![None; tree.len()],
            files: (0..layers).map(|_| Vec::new()).collect(),
        };
        declare.all()?;
        let Declare { builder, files, .. } = declare;
        let layout = builder.seal().map_err(|e| Error::engine("lay out the disk image", e))?;
        let footprint = room.content + tree.len() as u64 * 512 + groups * 2 * BLOCK;
        Ok(Self { layout, files, footprint })
    }

    /// Bytes of the disk.
    pub(crate) fn size(&self) -> u64 {
        self.layout.image_len()
    }

    /// Writes the image into `file`, which must be empty, but may be longer than the image.
    pub(crate) fn write(&self, file: &File, layers: &[LayerFile], limits: Limits) -> Result<(), Error> {
        let failed = |error| Error::storage("write the disk image", error);
        let mut sink = DiskSink::new(file);
        let mut writer =
            self.layout.writer(&mut sink).map_err(|e| Error::engine("write the disk image", e))?;
        for (layer, files) in layers.iter().zip(&self.files) {
            fill(&mut writer, layer, files, limits).map_err(|e| e.in_layer(&layer.path))?;
        }
        writer.finish().map_err(|e| Error::engine("finish the disk image", e))?;
        sink.flush().map_err(failed)
    }
}

/// Streams one layer's files to their places; a layer that holds none is not read again.
fn fill<S: RegionSink>(
    writer: &mut ImageWriter<'_, S>,
    layer: &LayerFile,
    files: &[Content<'_>],
    limits: Limits,
) -> Result<(), Error> {
    if files.is_empty() {
        return Ok(());
    }
    let changed = || Error::corrupt("read layer: it changed between two reads");
    let mut tar = TarReader::new(layer.open(None)?, limits);
    for file in files {
        let entry = loop {
            let entry = tar.next()?.ok_or_else(changed)?;
            if entry.ordinal == file.ordinal {
                break entry;
            }
        };
        if entry.sparse.as_ref() != file.sparse || entry.sparse.is_none() && entry.size != file.size {
            return Err(changed());
        }
        match file.sparse {
            Some(map) => fill_one(writer, file.handle, SparseReader::new(map, &mut tar))?,
            None => fill_one(writer, file.handle, &mut tar)?,
        }
    }
    Ok(())
}

/// The engine replaces errors of its source by its own: keep the true one at hand.
fn fill_one<S: RegionSink>(
    writer: &mut ImageWriter<'_, S>,
    handle: InodeHandle,
    source: impl Read,
) -> Result<(), Error> {
    let mut source = Watched { source, error: None };
    let filled = writer.fill(handle, &mut source);
    match (filled, source.error) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(error)) => Err(Error::reading("unpack layer", error)),
        (Err(error), None) => Err(Error::engine("write the disk image", error)),
    }
}

struct Watched<R> {
    source: R,
    error: Option<io::Error>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.source.read(buf).map_err(|error| {
            let kind = error.kind();
            self.error = Some(error);
            kind.into()
        })
    }
}

struct Declare<'tree> {
    tree: &'tree Tree,
    builder: FsBuilder,
    /// Of leaves that were declared: further names are hard links.
    handles: Vec<Option<InodeHandle>>,
    files: Vec<Vec<Content<'tree>>>,
}

impl<'tree> Declare<'tree> {
    fn all(&mut self) -> Result<(), Error> {
        let root = &self.tree.node(ROOT).attributes;
        self.builder.set_meta(mkext4::ROOT, root.meta).map_err(|e| Error::engine("declare the root", e))?;
        self.xattrs(mkext4::ROOT, root, "/")?;
        let mut leaves = self.dirs()?;
        leaves.sort_by_key(|leaf| match &self.tree.node(leaf.node).kind {
            Kind::Leaf(Leaf::File { ordinal, .. }, layer) => (*layer, *ordinal),
            _ => (usize::MAX, 0),
        });
        for leaf in leaves {
            self.leaf(&leaf)?;
        }
        Ok(())
    }

    /// Declares all directories, depth first; what else they hold is returned in that order.
    fn dirs(&mut self) -> Result<Vec<Named<'tree>>, Error> {
        let tree = self.tree;
        let mut leaves = Vec::new();
        let mut open = vec![(ROOT, mkext4::ROOT)];
        while let Some((dir, handle)) = open.pop() {
            let Kind::Dir(content) = &tree.node(dir).kind else {
                continue;
            };
            let from = open.len();
            for (name, child) in &content.names {
                let node = tree.node(child.node);
                if dir == ROOT && **name == *LOST_FOUND {
                    lost_found(&node.kind)?;
                    continue;
                }
                if matches!(node.kind, Kind::Leaf(..)) {
                    leaves.push(Named { dir: handle, name, node: child.node });
                    continue;
                }
                let made = self
                    .builder
                    .mkdir(handle, name, node.attributes.meta)
                    .map_err(|e| Error::engine(format!("declare directory {name:?}"), e))?;
                self.xattrs(made, &node.attributes, name)?;
                open.push((child.node, made));
            }
            open[from..].reverse();
        }
        Ok(leaves)
    }

    fn leaf(&mut self, leaf: &Named<'tree>) -> Result<(), Error> {
        let Named { dir, name, node } = *leaf;
        let failed = |e| Error::engine(format!("declare file {name:?}"), e);
        if let Some(handle) = self.handles[node] {
            return self.builder.hardlink(dir, name, handle).map_err(failed);
        }
        let attributes = &self.tree.node(node).attributes;
        let Kind::Leaf(kind, layer) = &self.tree.node(node).kind else {
            return Ok(());
        };
        let handle = match kind {
            Leaf::Symlink(target) => self.builder.symlink(dir, name, target, attributes.meta),
            Leaf::Special(kind) => self.builder.mknod(dir, name, attributes.meta, *kind),
            Leaf::File { size, sparse: None, .. } => self.builder.file(dir, name, attributes.meta, *size),
            Leaf::File { sparse: Some(map), .. } => {
                self.builder.file_sparse(dir, name, attributes.meta, &map.segments())
            }
        }
        .map_err(failed)?;
        self.xattrs(handle, attributes, name)?;
        self.handles[node] = Some(handle);
        if let Leaf::File { ordinal, size, sparse } = kind {
            let sparse = sparse.as_deref();
            let stored = sparse.map_or(*size, SparseMap::stored);
            if stored > 0 {
                self.files[*layer].push(Content { ordinal: *ordinal, handle, size: *size, sparse });
            }
        }
        Ok(())
    }

    fn xattrs(&mut self, handle: InodeHandle, of: &Attributes, name: &str) -> Result<(), Error> {
        for (attribute, value) in &of.xattrs {
            self.builder
                .set_xattr(handle, attribute, value)
                .map_err(|e| Error::engine(format!("declare attribute {attribute:?} of {name:?}"), e))?;
        }
        Ok(())
    }
}

/// An image's own `/lost+found` gives way to the file system's, which is empty: what an image has there is some other
/// disk's debris.
fn lost_found(kind: &Kind) -> Result<(), Error> {
    match kind {
        Kind::Dir(_) => Ok(()),
        Kind::Leaf(..) => Err(Error::unsupported("lay out the disk image: /lost+found is no directory")),
    }
}
