//! How much memory a base takes to make: so much for each file, whatever they hold. Every allocation of this program is
//! counted, so the test is alone in it.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "disk/fsck.rs"]
mod fsck;

use std::{
    fs::{self, File},
    io::BufWriter,
    path::Path,
};

use boxlite_disk::{ImageStorage, LayerFile};
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

/// The most that was allocated while a base was made of so many files in so many layers.
fn peak(layers: usize, files: usize) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let layers: Vec<_> = (0..layers).map(|number| layer(dir.path(), number, files / layers)).collect();
    let storage = ImageStorage::open(dir.path().join("disks")).unwrap();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let base = storage.base(IMAGE, &layers).unwrap();
    let peak = MEMORY.peak_usage() - before;
    fsck::fsck(&base.path);
    peak
}

#[test]
fn a_file_costs_little() {
    for (layers, files) in [(1, 1_000), (1, 100_000), (5, 100_000)] {
        let peak = peak(layers, files);
        let each = peak.saturating_sub(FIXED) / files;
        println!("{files} files in {layers} layers: {peak} bytes, {each} a file beyond the first {FIXED}");
        assert!(peak <= FIXED + PER_FILE * files, "{peak} bytes for {files} files in {layers} layers");
    }
}
