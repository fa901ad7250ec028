//! Archives of all that an image can have, whose disks are made twice and compared by `super`.

use ::tar::{Builder, EntryType, Header};

use super::same;

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
    archive.file("first", &vec![1; 85 << 20]);
    archive.file("second", &vec![2; 20 << 20]);
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
