//! The second opinion on every byte: `mkext4`'s own builder, given the same tree, has to make the same image. It holds all of
//! it in memory, which is why it is not used outside of tests.

use std::{collections::HashMap, fs::File, io::Read, path::Path};

use ::tar::{Builder, EntryType, Header};
use mkext4::{FsBuilder, InodeCount, InodeHandle, Meta, Options, SparseSeg, SpecialKind};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{Image, order::LOST_FOUND};
use crate::{
    LayerFile, Limits,
    entry::{self, Special},
    index::index,
    layer::hex,
    room::INODES_PER_GROUP,
    sparse::SparseReader,
    tar::TarReader,
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
        let layer = &layers[usize::from(image.layer(file))];
        let mut tar = TarReader::new(layer.open(None).unwrap(), Limits::default());
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
    index(&layers, &limits, |layer, entry| tree.apply(layer, entry)).unwrap();
    let image = Image::plan(&tree, UUID).unwrap();
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    let file = File::create_new(&ours).unwrap();
    file.set_len(image.size()).unwrap();
    image.write(&file, &layers, limits).unwrap();
    write(&tree, &image, &layers, &theirs);
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

/// An archive in the making.
struct Archive(Builder<Vec<u8>>);

impl Archive {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn add(&mut self, kind: EntryType, path: &str, change: impl FnOnce(&mut Header), data: &[u8]) {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o6751);
        header.set_uid(70_000);
        header.set_gid(5);
        header.set_mtime(5_000_000_000);
        header.set_size(data.len() as u64);
        change(&mut header);
        self.0.append_data(&mut header, path, data).unwrap();
    }

    fn file(&mut self, path: &str, data: &[u8]) {
        self.add(EntryType::Regular, path, |_| {}, data);
    }

    fn link(&mut self, kind: EntryType, path: &str, target: &str) {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        self.0.append_link(&mut header, path, target).unwrap();
    }

    fn xattrs(&mut self, records: &[(&str, &[u8])]) {
        let records: Vec<_> =
            records.iter().map(|(key, value)| (format!("SCHILY.xattr.{key}"), value)).collect();
        self.0.append_pax_extensions(records.iter().map(|(key, value)| (&**key, **value))).unwrap();
    }

    fn finish(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

#[test]
fn every_kind_of_entry() {
    let mut low = Archive::new();
    low.file("etc/passwd", b"root");
    low.file("empty", b"");
    low.file("gone/file", &[7; 10_000]);
    low.add(EntryType::Directory, "var/lib", |_| {}, b"");
    low.link(EntryType::Link, "etc/passwd-", "etc/passwd");
    low.link(EntryType::Symlink, "short", &"x".repeat(59));
    low.link(EntryType::Symlink, "long", &"x".repeat(60));
    low.add(EntryType::Fifo, "dev/fifo", |_| {}, b"");
    for (name, kind, major, minor) in [
        ("null", EntryType::Char, 1, 3),
        ("old", EntryType::Block, 255, 255),
        ("new", EntryType::Block, 259, 70_000),
    ] {
        let device = |header: &mut Header| {
            header.set_device_major(major).unwrap();
            header.set_device_minor(minor).unwrap();
        };
        low.add(kind, &format!("dev/{name}"), device, b"");
    }
    let mut high = Archive::new();
    high.file(".wh.gone", b"");
    high.file("lost+found/debris", b"of another disk");
    high.file("z", &vec![3; 3 << 20]);
    high.link(EntryType::Link, "var/z", "z");
    high.link(EntryType::Link, "another", "long");
    same(&[low.finish(), high.finish()]);
}

#[test]
fn attributes_in_the_inode_and_beside_it() {
    let mut archive = Archive::new();
    for (path, size) in [("small", 10), ("fits", 60), ("large", 1000), ("full", 3000)] {
        for kind in [EntryType::Regular, EntryType::Directory, EntryType::Fifo] {
            archive.xattrs(&[
                ("user.a", &vec![1; size]),
                ("user.much-longer", b"2"),
                ("security.capability", &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
                ("trusted.x", b""),
            ]);
            archive.add(kind, &format!("{path}-{}", kind.as_byte()), |_| {}, b"");
        }
    }
    same(&[archive.finish()]);
}

#[test]
fn directories_of_every_size() {
    let mut archive = Archive::new();
    // Around one block; an index of one level; one of two, for which names are long.
    for (dir, count, length) in [("a", 253, 8), ("b", 254, 8), ("c", 4000, 20), ("d", 9000, 240)] {
        for name in 0..count {
            archive.file(&format!("{dir}/{name:0length$}"), b"");
        }
    }
    for name in 0..300 {
        archive.add(EntryType::Directory, &format!("a-name-in-the-root-{name}"), |_| {}, b"");
    }
    same(&[archive.finish()]);
}

#[test]
fn content_around_a_copy_of_the_superblock() {
    let mut archive = Archive::new();
    archive.file("first", &vec![1; 90 << 20]);
    archive.file("second", &vec![2; 50 << 20]);
    archive.file("third", &vec![3; 5000]);
    same(&[archive.finish()]);
}

#[test]
fn more_groups_than_keep_their_tables_together() {
    let mut archive = Archive::new();
    // An inode each, and 8192 inodes a group.
    for name in 0..140_000 {
        archive.file(&format!("{}/{name}", name % 1000), b"");
    }
    same(&[archive.finish()]);
}

#[test]
fn files_of_very_many_extents() {
    for extents in [4, 5, 341, 2000] {
        // A block of data, a block of nothing, and so on.
        let lines = (0..extents).map(|extent| format!("{}\n4096\n", extent * 8192));
        let mut data = format!("{extents}\n{}", lines.collect::<String>()).into_bytes();
        data.resize(data.len().next_multiple_of(512), 0);
        data.resize(data.len() + extents * 4096, 9);
        let mut archive = Archive::new();
        let size = (extents * 8192 + 100).to_string();
        let records: [(&str, &[u8]); 4] = [
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"sparse"),
            ("GNU.sparse.realsize", size.as_bytes()),
        ];
        archive.0.append_pax_extensions(records).unwrap();
        archive.file("x", &data);
        archive.file("after", b"it");
        same(&[archive.finish()]);
    }
}
