//! Overlays as a killed engine leaves them, judged by qemu-img.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use boxlite_disk::{Overlay, free_leaked_clusters};
use boxlite_error::ErrorCode;

use crate::oracle::{Home, run};

const CLUSTER: usize = 64 * 1024;

/// An overlay in which a box has written `mebibytes`.
fn written(home: &Home, mebibytes: u32) -> PathBuf {
    let base = home.build(&[]);
    let path = home.dir.path().join("disk.qcow2");
    Overlay::create(&path, &base, None).unwrap();
    let write = format!("write -P 7 0 {mebibytes}M");
    let output = run(Command::new("qemu-io").args(["-c", &write]).arg(&path), "qemu-utils");
    assert!(output.status.success());
    path
}

/// The exit status of `qemu-img check`: 0 clean, 2 corrupt, 3 leaked (qemu-img(1)).
fn check(path: &Path) -> i32 {
    run(Command::new("qemu-img").arg("check").arg(path), "qemu-utils").status.code().unwrap()
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap()) & 0x00ff_ffff_ffff_fe00)
        .unwrap()
}

/// Where the first L2 table and the first refcount block lie.
fn tables(path: &Path) -> (usize, usize) {
    let bytes = fs::read(path).unwrap();
    (number(&bytes, number(&bytes, 40)), number(&bytes, number(&bytes, 48)))
}

fn zero(path: &Path, at: usize, length: usize) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(&vec![0; length], at as u64).unwrap();
}

#[test]
fn a_clean_disk_is_left_as_it_is() {
    let home = Home::with(|options| options.virtual_size = 256 << 20);
    let path = written(&home, 8);
    let before = fs::read(&path).unwrap();
    assert_eq!(free_leaked_clusters(&path).unwrap(), 0);
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn clusters_that_nothing_refers_to_are_given_back() {
    let home = Home::with(|options| options.virtual_size = 256 << 20);
    let path = written(&home, 8);
    let (l2, _) = tables(&path);
    zero(&path, l2 + 5 * 8, 3 * 8);
    assert_eq!(check(&path), 3);
    assert_eq!(free_leaked_clusters(&path).unwrap(), 3);
    assert_eq!(check(&path), 0);
    assert_eq!(free_leaked_clusters(&path).unwrap(), 0);
    let read = run(Command::new("qemu-io").args(["-c", "read -P 7 1M 7M"]).arg(&path), "qemu-utils");
    assert!(!String::from_utf8_lossy(&read.stdout).contains("failed"), "what was in use is as it was");
}

#[test]
fn a_cluster_counted_behind_the_end_is_given_back_too() {
    let home = Home::with(|options| options.virtual_size = 256 << 20);
    let path = written(&home, 8);
    let (l2, _) = tables(&path);
    let length = fs::metadata(&path).unwrap().len();
    // The last cluster was taken, and neither written nor referred to.
    zero(&path, l2 + 127 * 8, 8);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(length - CLUSTER as u64).unwrap();
    assert_eq!(free_leaked_clusters(&path).unwrap(), 1);
    assert_eq!(check(&path), 0);
}

#[test]
fn a_disk_that_contradicts_itself_is_refused_and_not_touched() {
    let home = Home::with(|options| options.virtual_size = 256 << 20);
    let path = written(&home, 8);
    let (_, refcounts) = tables(&path);
    zero(&path, refcounts + 6 * 2, 2);
    assert_eq!(check(&path), 2);
    let before = fs::read(&path).unwrap();
    let error = free_leaked_clusters(&path).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageCorrupt);
    assert!(error.to_string().contains("disk.qcow2: cluster 6"), "{error}");
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn whatever_its_bytes_say_it_ends() {
    let home = Home::with(|options| options.virtual_size = 256 << 20);
    let path = written(&home, 2);
    let good = fs::read(&path).unwrap();
    let (l2, refcounts) = tables(&path);
    let places = [20, 36, 40, 48, 56, number(&good, 40), number(&good, 48), l2, refcounts];
    let mut state = 1_u32;
    for round in 0..40 {
        let mut bytes = good.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let place = places[(state >> 8) as usize % places.len()];
            bytes[place + (state >> 16) as usize % 8] = (state >> 24) as u8;
        }
        fs::write(&path, bytes).unwrap();
        let _ = free_leaked_clusters(&path);
        assert!(path.exists(), "{round}");
    }
}
