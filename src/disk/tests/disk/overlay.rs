//! Overlays, judged by qemu-img and read through it.

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt, PermissionsExt},
    path::Path,
    process::Command,
};

use boxlite_disk::{DEFAULT_SIZE, Overlay};
use boxlite_error::ErrorCode;

use crate::{
    layer::Layer,
    oracle::{Home, cat, debugfs, fsck, run},
};

fn qemu_img(args: &[&str]) -> String {
    let output = run(Command::new("qemu-img").args(args), "qemu-utils");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "qemu-img {args:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn an_overlay_shows_its_base() {
    let home = Home::with(|options| options.virtual_size = 256 << 20);
    let base = home.build(&[Layer::default().file("hello", "world")]);
    let path = home.dir.path().join("disk.qcow2");
    let overlay = Overlay::create(&path, &base, None).unwrap();
    assert_eq!(overlay.virtual_size, 256 << 20);
    let path = path.to_str().unwrap();
    qemu_img(&["check", path]);
    let info = qemu_img(&["info", "--output=json", path]);
    assert!(info.contains("\"backing-filename-format\": \"raw\""), "{info}");
    assert!(info.contains("\"virtual-size\": 268435456"), "{info}");
    assert!(info.contains(base.path.canonicalize().unwrap().to_str().unwrap()), "{info}");
    let flat = home.dir.path().join("flat");
    qemu_img(&["convert", "-O", "raw", path, flat.to_str().unwrap()]);
    fsck(&flat);
    assert!(fs::read(flat).unwrap() == fs::read(&base.path).unwrap());
    assert!(fs::metadata(path).unwrap().len() < 1 << 20);
    assert_eq!(fs::metadata(&base.path).unwrap().permissions().mode() & 0o222, 0, "bases are read-only");
}

/// Two neighbours of each border: one block of descriptors, `META_BG`, groups with copies of the superblock.
const SIZES: [u64; 10] =
    [128, 256, 1024, 16 << 10, (16 << 10) + 128, 17 << 10, 32 << 10, 64 << 10, 300 << 10, 1 << 20];

#[test]
fn a_disk_of_any_size_is_whole() {
    let home = Home::with(|options| options.virtual_size = DEFAULT_SIZE);
    let base = home.build(&[Layer::default().file("hello", "world")]);
    for mebibytes in SIZES {
        let path = home.dir.path().join(format!("{mebibytes}.qcow2"));
        let overlay = Overlay::create(&path, &base, Some((mebibytes << 20) - 5)).unwrap();
        assert_eq!(overlay.virtual_size, mebibytes << 20, "rounded up to 128 MiB");
        let path = path.to_str().unwrap();
        qemu_img(&["check", path]);
        let flat = home.dir.path().join("flat");
        qemu_img(&["convert", "-O", "raw", path, flat.to_str().unwrap()]);
        fsck(&flat);
        assert_eq!(cat(&flat, "/hello"), "world");
        let blocks = debugfs(&flat, "stats -h");
        assert!(blocks.contains(&format!("{}\n", mebibytes * 256)), "{mebibytes} MiB: {blocks}");
        assert_copies(&flat, mebibytes / 128);
        fs::remove_file(&flat).unwrap();
    }
}

/// The copies of superblock and descriptors are what e2fsck goes by when the first are lost.
fn assert_copies(disk: &Path, groups: u64) {
    const GROUP: u64 = 32768;
    let file = File::open(disk).unwrap();
    let read = |block: u64, skip: u64, length: usize| {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, block * 4096 + skip).unwrap();
        bytes
    };
    if groups > 1 {
        // But for the number of the group and the checksum at the end.
        let (mut first, mut copy) = (read(0, 1024, 1020), read(GROUP, 0, 1020));
        first[0x5a..0x5c].fill(0);
        copy[0x5a..0x5c].fill(0);
        assert_eq!(first, copy);
        assert_eq!(read(1, 0, 4096), read(GROUP + 1, 0, 4096));
    }
    if groups > 256 {
        let table = read(128 * GROUP, 0, 4096);
        assert_ne!(table, vec![0; 4096]);
        assert_eq!(table, read(129 * GROUP, 0, 4096));
        assert_eq!(table, read(255 * GROUP, 0, 4096));
    }
}

#[test]
fn an_overlay_never_replaces_a_file() {
    let home = Home::with(|options| options.virtual_size = 256 << 20);
    let base = home.build(&[]);
    let path = home.dir.path().join("disk.qcow2");
    fs::write(&path, "precious").unwrap();
    let error = Overlay::create(&path, &base, None).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageIo);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    let error = Overlay::create(home.dir.path().join("no/such/dir"), &base, None).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageIo);
}
