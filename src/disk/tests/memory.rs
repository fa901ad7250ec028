//! How much memory a base takes to make: so much for each file, whatever they hold. Every allocation of this program is
//! counted, so the tests are alone in it.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "disk/fsck.rs"]
mod fsck;

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
    sync::Mutex,
};

use boxlite_disk::{Cancel, ImageStorage, LayerFile};
use boxlite_error::ErrorCode;
use peak_alloc::PeakAlloc;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const IMAGE: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// Buffers, queues and bitmaps, however few files there are.
const FIXED: usize = 4 << 20;
/// What a file may cost, its name and its share of directories included.
const PER_FILE: usize = 160;

/// An archive of `files` files with times and owners of their own, every tenth with content.
fn layer(dir: &Path, number: usize, files: usize) -> LayerFile {
    let path = dir.join(format!("layer-{number}"));
    let mut builder = Builder::new(BufWriter::new(File::create_new(&path).unwrap()));
    for n in 0..files {
        let content = if n % 10 == 0 { &[7; 100][..] } else { &[] };
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(n as u64 % 500);
        header.set_mtime(1_700_000_000 + n as u64);
        header.set_size(content.len() as u64);
        let name = format!("usr/lib/layer-{number}/folder-{}/a-file-named-{n}", n % 400);
        builder.append_data(&mut header, name, content).unwrap();
    }
    builder.into_inner().unwrap().into_inner().unwrap();
    let digest = Sha256::digest(fs::read(&path).unwrap());
    let diff_id = digest.iter().fold("sha256:".to_owned(), |hex, byte| format!("{hex}{byte:02x}"));
    LayerFile { path, diff_id }
}

/// Tests that measure run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

/// The most that was allocated while a base was made of so many files in so many layers.
fn peak(layers: usize, files: usize) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let layers: Vec<_> = (0..layers).map(|number| layer(dir.path(), number, files / layers)).collect();
    let storage = ImageStorage::open(dir.path().join("disks")).unwrap();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let base = storage.base(IMAGE, &layers, &Cancel::default()).unwrap();
    let peak = MEMORY.peak_usage() - before;
    fsck::fsck(&base.path);
    peak
}

/// What is wrong with a layer of `before`, repeated, and one file; and the most that was allocated to find that out.
fn refusal(before: &[u8], times: usize) -> (ErrorCode, usize) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("layer");
    let file = BufWriter::new(File::create_new(&path).unwrap());
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    for _ in 0..times {
        packed.write_all(before).unwrap();
    }
    drop(packed.finish().unwrap());
    let storage = ImageStorage::open(dir.path().join("disks")).unwrap();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let error = storage
        .base(IMAGE, &[LayerFile { path, diff_id: IMAGE.to_owned() }], &Cancel::default())
        .unwrap_err();
    (error.code(), MEMORY.peak_usage() - before)
}

fn header(kind: EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_path("file").unwrap();
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = [header.as_bytes(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

#[test]
fn headers_before_one_entry_cost_no_more_than_their_bound() {
    let _alone = ALONE.lock();
    // 256 MiB in each case, a megabyte of gzip: comments, names of attributes by the million, one name that says it is long.
    let comments = header(EntryType::XHeader, &b"20 comment=01234567\n".repeat(50_000));
    let names = header(EntryType::XHeader, &b"28 SCHILY.xattr.user.12345=\n".repeat(37_000));
    for (before, times) in [(comments, 256), (names, 256), (header(EntryType::XHeader, b""), 500_000)] {
        let (kind, peak) = refusal(&before, times);
        assert_eq!(kind, ErrorCode::ImageTooLarge);
        assert!(peak <= 4 * FIXED, "{peak} bytes");
    }
    let mut long = Header::new_gnu();
    long.set_entry_type(EntryType::GNULongName);
    long.set_size(2 << 30);
    long.set_cksum();
    let (kind, peak) = refusal(long.as_bytes(), 1);
    assert_eq!(kind, ErrorCode::ImageTooLarge);
    assert!(peak <= 4 * FIXED, "{peak} bytes");
}

#[test]
fn attributes_cost_no_more_than_they_are_counted_as() {
    let _alone = ALONE.lock();
    // Many short ones for each file: ten times as much memory as letters.
    let records: Vec<_> = (0..160)
        .map(|n| format!("{} SCHILY.xattr.user.{n:03}=\n", 26))
        .collect::<Vec<_>>()
        .concat()
        .into_bytes();
    let mut entry = header(EntryType::XHeader, &records);
    entry.extend(header(EntryType::Regular, b""));
    let (kind, peak) = refusal(&entry, 30_000);
    assert_eq!(kind, ErrorCode::ImageTooLarge);
    assert!(peak <= 512 << 20, "{peak} bytes");
}

#[test]
fn a_file_costs_little() {
    let _alone = ALONE.lock();
    for (layers, files) in [(1, 1_000), (1, 100_000), (5, 100_000)] {
        let peak = peak(layers, files);
        let each = peak.saturating_sub(FIXED) / files;
        println!("{files} files in {layers} layers: {peak} bytes, {each} a file beyond the first {FIXED}");
        assert!(peak <= FIXED + PER_FILE * files, "{peak} bytes for {files} files in {layers} layers");
    }
}
