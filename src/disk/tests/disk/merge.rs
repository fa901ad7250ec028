//! Layers upon layers: what the merged file system must look like.

use tar::{EntryType, Header};

use crate::{
    layer::{Entry, Layer, entry, record},
    oracle::{Home, cat, debugfs, exists, list, stat},
};

#[test]
fn whiteouts_hide_lower_layers_wherever_they_stand() {
    let lower = Layer::default().dir("a").file("a/old", "1").file("a/keep", "2").dir("b").file("b/x", "3");
    // The whiteout of `a/new` is for a lower layer's, so the file of its own layer stays, whichever comes first.
    let upper = Layer::default()
        .file("a/new", "n")
        .file("a/.wh.new", "")
        .file("a/.wh.old", "")
        .file(".wh.b", "")
        .file("a/.wh.never-there", "")
        .file("nowhere/.wh.x", "");
    let disk = Home::new().build_in(&[lower, upper]);
    assert_eq!(list(&disk.path, "/"), ["a"]);
    assert_eq!(list(&disk.path, "/a"), ["keep", "new"]);
}

#[test]
fn opaque_directories_hide_all_of_lower_layers_in_any_order() {
    let lower = Layer::default().file("d/old", "1").file("d/sub/old", "2").file("e/old", "3");
    let first = Layer::default().dir("d").file("d/.wh..wh..opq", "").file("d/sub/new", "4");
    let last = Layer::default().file("e/new", "5").file("e/.wh..wh..opq", "");
    let disk = Home::new().build_in(&[lower, first, last]);
    assert_eq!(list(&disk.path, "/d"), ["sub"]);
    assert_eq!(list(&disk.path, "/d/sub"), ["new"]);
    assert_eq!(list(&disk.path, "/e"), ["new"]);
}

#[test]
fn a_name_may_go_and_come_back() {
    let layers = [
        Layer::default().file("f", "one").file("d/in", "x"),
        Layer::default().file(".wh.f", "").file(".wh.d", ""),
        Layer::default().file("f", "three").file("d", "now a file"),
        Layer::default().dir("f").file("f/in", "deep"),
    ];
    let disk = Home::new().build_in(&layers);
    assert_eq!(cat(&disk.path, "/d"), "now a file");
    assert_eq!(cat(&disk.path, "/f/in"), "deep");
}

#[test]
fn a_whiteout_and_a_new_directory_of_the_name_share_a_layer() {
    let lower =
        Layer::default().add(Entry { mode: 0o700, ..entry(EntryType::Directory, "d") }).file("d/old", "");
    for upper in [
        Layer::default().file(".wh.d", "").file("d/new", ""),
        Layer::default().file("d/new", "").file(".wh.d", ""),
    ] {
        let disk = Home::new().build_in(&[lower.clone(), upper]);
        assert_eq!(list(&disk.path, "/d"), ["new"]);
        assert!(stat(&disk.path, "/d").contains("Mode:  0755"), "nothing of the old directory is left");
    }
}

#[test]
fn hard_links_reach_over_layers_and_outlive_their_targets() {
    let layers = [
        Layer::default().file("data", "old bytes").link("same", "data"),
        Layer::default().link("dir/over", "/data").link("twice", "same"),
        Layer::default().file("data", "new bytes").file(".wh.same", ""),
    ];
    let disk = Home::new().build_in(&layers);
    assert_eq!(cat(&disk.path, "/data"), "new bytes");
    assert_eq!(cat(&disk.path, "/dir/over"), "old bytes");
    assert_eq!(cat(&disk.path, "/twice"), "old bytes");
    assert!(!exists(&disk.path, "/same"));
    let inode = |path| stat(&disk.path, path).split_whitespace().nth(1).unwrap().to_owned();
    assert_eq!(inode("/dir/over"), inode("/twice"));
    assert!(stat(&disk.path, "/twice").contains("Links: 2"));
}

#[test]
fn attributes_of_every_kind_survive() {
    let capability =
        b"\x01\x00\x00\x02\x00\x20\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00".to_vec();
    let layer = Layer::default()
        .add(Entry { mode: 0o4755, data: b"x".into(), ..entry(EntryType::Regular, "su") })
        .add(Entry { mode: 0o1777, ..entry(EntryType::Directory, "tmp") })
        .add(Entry {
            owner: (70_000, 1_000_000),
            mtime: "1700000000.123456789",
            ..entry(EntryType::Regular, "who")
        })
        .add(Entry { mtime: "-1.5", ..entry(EntryType::Regular, "before") })
        .add(Entry { device: (10, 200), ..entry(EntryType::Char, "dev/net/tun") })
        .add(Entry { device: (259, 70_000), ..entry(EntryType::Block, "dev/disk") })
        .add(entry(EntryType::Fifo, "pipe"))
        .add(Entry {
            xattrs: vec![
                ("security.capability", capability),
                ("user.note", b"long ".repeat(60)),
                ("com.apple.provenance", b"x".into()),
            ],
            ..entry(EntryType::Regular, "ping")
        })
        .symlink("fast", "su")
        .symlink("slow", &"long/".repeat(40))
        .add(Entry { mode: 0o700, owner: (5, 6), ..entry(EntryType::Directory, "./") });
    let disk = Home::new().build_in(&[layer]);
    let stat = |path| stat(&disk.path, path);
    assert!(stat("/su").contains("Mode:  04755"));
    assert!(stat("/tmp").contains("Mode:  01777"));
    assert!(stat("/who").contains("User: 70000   Group: 1000000"));
    assert!(stat("/who").contains("mtime: 0x6553f100:1d6f3454"), "{}", stat("/who"));
    assert!(stat("/before").contains("mtime: 0xfffffffe:"), "{}", stat("/before"));
    assert!(stat("/dev/net/tun").contains("10:200"), "{}", stat("/dev/net/tun"));
    assert!(stat("/dev/disk").contains("259:70000"), "{}", stat("/dev/disk"));
    assert!(stat("/dev").contains("Mode:  0755"), "missing parents are made");
    assert!(stat("/pipe").contains("Type: FIFO"));
    assert!(stat("/fast").contains("Fast link dest: \"su\""));
    assert!(stat("/slow").contains("Size: 200"));
    assert!(stat("/").contains("Mode:  0700") && stat("/").contains("User:     5   Group:     6"));
    let names = debugfs(&disk.path, "ea_list ping");
    assert!(names.contains("security.capability (20)") && names.contains("user.note (300)"), "{names}");
    assert!(!names.contains("apple"));
    assert!(
        debugfs(&disk.path, "ea_get -x ping security.capability").contains("20 0a"),
        "binary values are whole"
    );
}

#[test]
fn names_of_any_length_and_letter() {
    let long = format!("{}/{}/{}", "d".repeat(255), "e".repeat(200), "f".repeat(255));
    let mut gnu = Layer::default();
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    gnu.raw(header, b"gnu/a-name-that-is-written-in-the-old-gnu-way\0");
    let gnu = gnu.file("truncated", "g");
    let layer =
        Layer(gnu.0).file(&long, "deep").file("\u{1f4e6} caf\u{e9}\n", "odd").file("./a//b/../c", "c");
    let disk = Home::new().build_in(&[layer]);
    assert_eq!(cat(&disk.path, &format!("/{long}")), "deep");
    assert_eq!(cat(&disk.path, "/gnu/a-name-that-is-written-in-the-old-gnu-way"), "g");
    assert_eq!(cat(&disk.path, "/a/c"), "c");
    assert_eq!(list(&disk.path, "/").len(), 4);
}

#[test]
fn links_on_the_way_are_followed_but_never_out() {
    let lower = Layer::default().dir("usr/lib").symlink("lib", "usr/lib").symlink("out", "../../../../etc");
    let upper = Layer::default()
        .file("lib/new", "in usr")
        .file("out/passwd", "mine")
        .file("../../escape", "no")
        .file("usr/lib/old", "x")
        .symlink("abs", "/usr/lib");
    let top =
        Layer::default().file("abs/.wh.old", "").symlink("dangling", "/far/away").file("dangling/f", "made");
    let disk = Home::new().build_in(&[lower, upper, top]);
    assert_eq!(list(&disk.path, "/usr/lib"), ["new"]);
    assert_eq!(cat(&disk.path, "/etc/passwd"), "mine");
    assert_eq!(cat(&disk.path, "/escape"), "no");
    assert_eq!(cat(&disk.path, "/far/away/f"), "made");
}

#[test]
fn sparse_files_stay_sparse() {
    let mut layer = Layer::default();
    let mut records = Vec::new();
    for (key, value) in [("major", "1"), ("minor", "0"), ("name", "holes"), ("realsize", "104857600")] {
        record(&mut records, &format!("GNU.sparse.{key}"), value.as_bytes());
    }
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    layer.raw(header, &records);
    let mut data = b"2\n0\n5\n52428800\n5\n".to_vec();
    data.resize(512, 0);
    data.extend(b"startMIDST");
    let disk = Home::new().build_in(&[layer.file("GNUSparseFile.0/holes", data)]);
    let stat = stat(&disk.path, "/holes");
    assert!(stat.contains("Size: 104857600") && stat.contains("Blockcount: 16"), "{stat}");
    assert!(cat(&disk.path, "/holes").starts_with("start\0"));
}

#[test]
fn an_image_without_layers_is_an_empty_root() {
    let disk = Home::new().build_in(&[]);
    assert!(list(&disk.path, "/").is_empty());
    let disk = Home::new().build_in(&[Layer::default().file("lost+found/debris", "x").file("a", "")]);
    assert_eq!(list(&disk.path, "/"), ["a"]);
}

#[test]
fn the_same_layers_give_the_same_bytes() {
    let layers: Vec<_> = (0..3)
        .map(|at| {
            (0..50).fold(Layer::default(), |layer, n| layer.file(&format!("d{n}/{at}"), vec![at; 5000]))
        })
        .collect();
    let (one, two) = (Home::new(), Home::new());
    let (one, two) = (one.build(&layers), two.build(&layers));
    assert!(std::fs::read(one.path).unwrap() == std::fs::read(two.path).unwrap());
}
