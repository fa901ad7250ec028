//! Hostile bytes: layers, disk images and qcow2 files. They may be refused, and nothing else: no panic, no endless work, no
//! file of the host opened. Called by the fuzz targets in `fuzz/`; no part of a release.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is what this is for")]

use std::{fs::File, os::unix::fs::FileExt};

use boxlite_unpack::Cancel;
use futures::executor::block_on;
use imago::{
    DenyImplicitOpenGate, FormatAccess, FormatDriverBuilder, StorageOpenOptions, file::File as Storage,
    qcow2::Qcow2,
};
use ring::digest::{SHA256, digest};
use tempfile::NamedTempFile;

use crate::{
    base::{self, DEFAULT_SIZE},
    block_groups::GROUP,
    layer::{LayerFile, hex},
    limits::Limits,
    resize::Groups,
};

/// A layer, through both passes and into a disk.
pub fn layer(bytes: &[u8]) {
    let file = written(bytes);
    let diff_id = format!("sha256:{}", hex(digest(&SHA256, bytes).as_ref()));
    let layer = LayerFile { path: file.path().to_owned(), diff_id };
    let limits = Limits { unpacked_bytes: 1 << 20, entries: 1000, ..Limits::default() };
    let disk = tempfile::tempfile().unwrap();
    if base::build(&disk, &[layer], DEFAULT_SIZE, [7; 16], limits, &Cancel::default()).is_ok() {
        descriptors_of(&disk);
    }
}

/// The first blocks of a disk image.
pub fn descriptors(bytes: &[u8]) {
    descriptors_of(written(bytes).as_file());
}

fn descriptors_of(disk: &File) {
    for groups in [1, 2, 128, 129, 1000] {
        if let Ok(read) = Groups::read(disk)
            && let Ok(patches) = read.resize(groups * GROUP)
        {
            assert!(patches.iter().all(|patch| patch.offset + patch.bytes.len() as u64 <= groups * GROUP));
        }
    }
}

/// A qcow2 file, opened as an engine would, but for the files that it names.
pub fn qcow2(bytes: &[u8]) {
    let storage = Storage::from_open_file(written(bytes).into_file(), StorageOpenOptions::new());
    block_on(async {
        let disk = Qcow2::<Storage>::builder(storage.unwrap()).backing(None);
        let Ok(disk) = disk.open(DenyImplicitOpenGate::default()).await else { return };
        let disk = FormatAccess::new(disk);
        let mut buffer = vec![0; 4096];
        for offset in [0, disk.size() / 2, disk.size().saturating_sub(4096)] {
            let _ = disk.read(buffer.as_mut_slice(), offset).await;
        }
    });
}

fn written(bytes: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    file.as_file().write_all_at(bytes, 0).unwrap();
    file
}
