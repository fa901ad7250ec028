//! What a base costs in time and space. Figures are printed; bounds are loose, for slow and busy machines.

use std::{os::unix::fs::MetadataExt, time::Instant};

use boxlite_disk::{Cancel, Compression, ImageStorage, Overlay};

use crate::{
    layer::Layer,
    oracle::{IMAGE, fsck},
};

fn measure(what: &str, layer: &Layer) -> u128 {
    let dir = tempfile::tempdir().unwrap();
    let storage = ImageStorage::open(dir.path().join("disks")).unwrap();
    let layers = [layer.store(dir.path(), Compression::Gzip)];
    let start = Instant::now();
    let base = storage.base(IMAGE, &layers, &Cancel::default()).unwrap();
    let built = start.elapsed();
    let overlay = Overlay::create(dir.path().join("disk.qcow2"), &base, None).unwrap();
    let overlaid = start.elapsed().saturating_sub(built);
    let meta = base.path.metadata().unwrap();
    println!(
        "{what}: base {built:?}, overlay {:?}, {} KiB of {} GiB on disk, overlay {} KiB",
        overlaid,
        meta.blocks() / 2,
        base.virtual_size >> 30,
        overlay.path.metadata().unwrap().blocks() / 2,
    );
    fsck(&base.path);
    built.as_millis()
}

#[test]
fn a_tiny_image_is_a_matter_of_milliseconds() {
    let mut layer = Layer::default().file("bin/busybox", vec![0x7f; 1 << 20]);
    for n in 0..400 {
        layer = layer.link(&format!("bin/applet{n}"), "bin/busybox");
    }
    let taken = measure("busybox", &layer);
    assert!(taken < 2_000, "{taken} ms");
}

#[test]
fn twenty_thousand_files() {
    let layer = (0..20_000).fold(Layer::default(), |layer, n| {
        layer.file(&format!("usr/lib/d{}/file-{n}", n % 200), format!("{n}").repeat(n % 700))
    });
    let taken = measure("20000 files", &layer);
    assert!(taken < 30_000, "{taken} ms");
}
