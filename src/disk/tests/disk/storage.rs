//! The folder of bases: one build per image, whoever asks, and nothing left of builders that died.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use boxlite_disk::{Cancel, Compression, ImageStorage, Overlay};
use boxlite_error::ErrorCode;

use crate::{
    layer::Layer,
    oracle::{Home, IMAGE, fsck},
};

const CHILD: &str = "BOXLITE_TEST_STORAGE";

fn big_layer() -> Layer {
    let mut random = crate::model::Random(1);
    (0..200).fold(Layer::default(), |layer, n| {
        let data: Vec<u8> = (0..200_000).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        layer.file(&format!("f{n}"), data)
    })
}

#[test]
fn callers_at_the_same_time_share_one_build() {
    let home = Home::new();
    let layers = [big_layer().store(home.dir.path(), Compression::Gzip)];
    let inodes: HashSet<u64> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    fs::metadata(home.storage.base(IMAGE, &layers, &Cancel::default()).unwrap().path)
                        .unwrap()
                        .ino()
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!(inodes.len(), 1, "a second build would have replaced the first one's file");
    let names: Vec<_> = fs::read_dir(home.dir.path().join("disks")).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
#[ignore = "started by a_killed_builder_leaves_nothing_that_matters"]
fn child_that_builds() {
    let dir = std::env::var(CHILD).unwrap();
    let storage = ImageStorage::open(Path::new(&dir).join("disks")).unwrap();
    let layers = [big_layer().store(Path::new(&dir), Compression::None)];
    storage.base(IMAGE, &layers, &Cancel::default()).unwrap();
}

#[test]
fn a_killed_builder_leaves_nothing_that_matters() {
    let dir = tempfile::tempdir().unwrap();
    let disks = dir.path().join("disks");
    let left = || fs::read_dir(&disks).map_or(0, Iterator::count);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "storage::child_that_builds"])
        .env(CHILD, dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while left() == 0 {
        assert!(start.elapsed() < Duration::from_mins(1), "the child builds nothing");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(left(), 1);
    let storage = ImageStorage::open(&disks).unwrap();
    assert!(
        left() == 0
            || !fs::read_dir(&disks).unwrap().any(|e| e.unwrap().path().extension().unwrap() == "tmp")
    );
    let layers = [big_layer().store(dir.path(), Compression::None)];
    fsck(&storage.base(IMAGE, &layers, &Cancel::default()).unwrap().path);
}

#[test]
fn a_base_under_construction_is_not_swept_away() {
    let home = Home::new();
    let layers = [big_layer().store(home.dir.path(), Compression::Gzip)];
    std::thread::scope(|scope| {
        let building = scope.spawn(|| home.storage.base(IMAGE, &layers, &Cancel::default()));
        while !building.is_finished() {
            ImageStorage::open(home.dir.path().join("disks")).unwrap();
        }
        fsck(&building.join().unwrap().unwrap().path);
    });
}

#[test]
fn who_waits_for_another_builder_may_give_up() {
    let home = Home::new();
    let layers = [Layer::default().file("a", "1").store(home.dir.path(), Compression::None)];
    let base = home.storage.base(IMAGE, &layers, &Cancel::default()).unwrap();
    fs::remove_file(&base.path).unwrap();
    // Another builder, who never finishes.
    let theirs = fs::File::create(base.path.with_added_extension("tmp")).unwrap();
    theirs.lock().unwrap();
    let cancel = Cancel::default();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| home.storage.base(IMAGE, &layers, &cancel));
        cancel.cancel();
        assert_eq!(waiting.join().unwrap().unwrap_err().code(), ErrorCode::ImageCancelled);
    });
    drop(theirs);
    home.storage.base(IMAGE, &layers, &Cancel::default()).unwrap();
}

#[test]
fn disks_are_their_owners_alone() {
    let home = Home::new();
    let layers = [Layer::default().file("a", "1").store(home.dir.path(), Compression::None)];
    let base = home.storage.base(IMAGE, &layers, &Cancel::default()).unwrap();
    let overlay = Overlay::create(home.dir.path().join("disk.qcow2"), &base, None).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
    let dir = base.path.parent().unwrap();
    assert_eq!([mode(&base.path), mode(&overlay.path), mode(dir)], [0o400, 0o600, 0o700]);
}

#[test]
fn bases_are_found_again_and_removed() {
    let home = Home::new();
    let layers = [Layer::default().file("a", "1").store(home.dir.path(), Compression::None)];
    let base = home.storage.base(IMAGE, &layers, &Cancel::default()).unwrap();
    assert_eq!(base.virtual_size, 1 << 30);
    fs::remove_file(&layers[0].path).unwrap();
    assert_eq!(
        home.storage.base(IMAGE, &layers, &Cancel::default()).unwrap(),
        base,
        "the layers are not needed again"
    );
    assert!(home.remove());
    assert!(!home.remove());
    let error = home.storage.base("sha256:../../x", &[], &Cancel::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ImageUnsupported);
}
