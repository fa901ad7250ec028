//! The second opinion on every byte: `mkext4`'s own builder, given the same tree, has to make the same image. It holds all of
//! it in memory, which is why it is not used outside of tests. `archives` are the trees that are compared.

mod archives;
#[path = "../../../tests/disk/fsck.rs"]
mod fsck;

use std::{collections::HashMap, fs::File, io::Read, path::Path};

use boxlite_archive::{SparseReader, TarReader};
use boxlite_unpack::Cancel;
use mkext4::{FsBuilder, InodeCount, InodeHandle, Meta, Options, SparseSeg, SpecialKind};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{Image, LOST_FOUND};
use crate::{
    block_groups::INODES_PER_GROUP,
    entry::{self, Special},
    index::index,
    layer::{LayerFile, hex},
    limits::Limits,
    tree::{Kind, NodeId, ROOT, Tree},
};

const UUID: [u8; 16] = *b"the same bytes!!";

/// Declares a tree to the builder in the order of `super::order`, found anew.
struct Reference<'a> {
    tree: &'a Tree,
    builder: FsBuilder,
    handles: HashMap<NodeId, InodeHandle>,
}

impl Reference<'_> {
    fn dirs(&mut self) -> Vec<(InodeHandle, String, NodeId)> {
        let mut leaves = Vec::new();
        let mut open = vec![(ROOT, mkext4::ROOT)];
        while let Some((dir, handle)) = open.pop() {
            let mut children: Vec<_> = self.tree.children(dir).collect();
            children.sort_unstable();
            let from = open.len();
            for (name, child) in children {
                let node = self.tree.node(child);
                if dir == ROOT && name == LOST_FOUND {
                    continue;
                }
                if !matches!(node.kind, Kind::Dir(_)) {
                    leaves.push((handle, name.to_owned(), child));
                    continue;
                }
                let made = self.builder.mkdir(handle, name, meta(node.meta)).unwrap();
                self.attributes(made, child);
                open.push((child, made));
            }
            open[from..].reverse();
        }
        leaves.sort_by_key(|leaf| match self.tree.node(leaf.2).kind {
            Kind::File { layer, ordinal, .. } => (u32::from(layer), ordinal),
            _ => (u32::MAX, 0),
        });
        leaves
    }

    fn leaf(&mut self, dir: InodeHandle, name: &str, id: NodeId) {
        if let Some(&handle) = self.handles.get(&id) {
            self.builder.hardlink(dir, name, handle).unwrap();
            return;
        }
        let node = self.tree.node(id);
        let meta = meta(node.meta);
        let made = match node.kind {
            Kind::Symlink(target) => self.builder.symlink(dir, name, self.tree.target(target), meta),
            Kind::Special(special) => self.builder.mknod(dir, name, meta, kind(special)),
            Kind::File { size, sparse: None, .. } => self.builder.file(dir, name, meta, size),
            Kind::File { sparse: Some(map), .. } => {
                let map = self.tree.sparse(map);
                let mut segments = Vec::new();
                let mut at = 0;
                for (start, end) in map.blocks() {
                    segments.extend((start > at).then(|| SparseSeg::Hole(start - at)));
                    segments.push(SparseSeg::Data(end - start));
                    at = end;
                }
                segments.extend((map.size() > at).then(|| SparseSeg::Hole(map.size() - at)));
                self.builder.file_sparse(dir, name, meta, &segments)
            }
            Kind::Dir(_) => unreachable!(),
        };
        let made = made.unwrap();
        self.attributes(made, id);
        self.handles.insert(id, made);
    }

    fn attributes(&mut self, handle: InodeHandle, of: NodeId) {
        for (name, value) in self.tree.xattrs(self.tree.node(of)) {
            self.builder.set_xattr(handle, name, value).unwrap();
        }
    }
}

fn meta(of: entry::Meta) -> Meta {
    Meta::new(of.mode, of.uid, of.gid, (of.seconds, of.nanos))
}

fn kind(special: Special) -> SpecialKind {
    let Special { kind, major, minor } = special;
    match kind {
        mkext4::spec::file_type::CHR => SpecialKind::Char { major, minor },
        mkext4::spec::file_type::BLK => SpecialKind::Block { major, minor },
        _ => SpecialKind::Fifo,
    }
}

/// The image of `tree` by `mkext4`, of as many groups as `image` has.
fn write(tree: &Tree, image: &Image<'_>, layers: &[LayerFile], path: &Path) {
    let mut options = Options::new(image.size(), UUID, 0);
    let inodes = image.geometry.groups * INODES_PER_GROUP;
    options.inodes = InodeCount::Exact(u32::try_from(inodes).unwrap());
    options.journal_blocks = Some(8192);
    options.reserved_percent = 0;
    options.label = Some("boxlite".into());
    let builder = FsBuilder::new(options).unwrap();
    let mut reference = Reference { tree, builder, handles: HashMap::new() };
    let root = tree.node(ROOT);
    reference.builder.set_meta(mkext4::ROOT, meta(root.meta)).unwrap();
    reference.attributes(mkext4::ROOT, ROOT);
    for (dir, name, node) in reference.dirs() {
        reference.leaf(dir, &name, node);
    }
    let Reference { builder, handles, .. } = reference;
    let layout = builder.seal().unwrap();
    let mut writer = layout.writer(mkext4::sink::FileSink::create(path, image.size()).unwrap()).unwrap();
    for &file in &image.order.files {
        let content = image.content(file);
        if !content.is_stored() {
            continue;
        }
        let layer = &layers[usize::from(content.layer)];
        let mut tar = TarReader::new(layer.open(None, &Cancel::default()).unwrap(), 1 << 20);
        while tar.next().unwrap().unwrap().ordinal != content.ordinal {}
        match content.sparse {
            Some(map) => writer.fill(handles[&file], &mut SparseReader::new(map, &mut tar)).unwrap(),
            None => writer.fill(handles[&file], &mut tar).unwrap(),
        }
    }
    writer.finish().unwrap();
}

/// Builds an image both ways and compares.
fn same(archives: &[Vec<u8>]) {
    let dir = TempDir::new().unwrap();
    let layers: Vec<_> = archives.iter().enumerate().map(|(n, tar)| layer(dir.path(), n, tar)).collect();
    let limits = Limits::default();
    let mut tree = Tree::new(&limits);
    let cancel = Cancel::default();
    index(&layers, &limits, &cancel, |layer, entry| tree.apply(layer, entry)).unwrap();
    let image = Image::plan(&tree, UUID).unwrap();
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    let file = File::create_new(&ours).unwrap();
    file.set_len(image.size()).unwrap();
    image.write(&file, &layers, limits, &cancel).unwrap();
    write(&tree, &image, &layers, &theirs);
    fsck::fsck(&ours);
    let (mut ours, mut theirs) = (File::open(ours).unwrap(), File::open(theirs).unwrap());
    let mut pieces = [vec![0; 1 << 20], vec![0; 1 << 20]];
    for mebibyte in 0..image.size() >> 20 {
        ours.read_exact(&mut pieces[0]).unwrap();
        theirs.read_exact(&mut pieces[1]).unwrap();
        assert!(pieces[0] == pieces[1], "MiB {mebibyte} differs");
    }
}

fn layer(dir: &Path, number: usize, tar: &[u8]) -> LayerFile {
    let path = dir.join(number.to_string());
    std::fs::write(&path, tar).unwrap();
    LayerFile { path, diff_id: format!("sha256:{}", hex(&Sha256::digest(tar))) }
}
