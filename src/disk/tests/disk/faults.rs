//! Layers that are broken, hostile or too much: each has its kind of error, and leaves nothing behind.

use std::{fs, path::Path, process::Command};

use boxlite_disk::{BaseDisk, Cancel, Compression, Error, LayerFile, Overlay};
use boxlite_error::ErrorCode;
use tar::{EntryType, Header};

use crate::{
    layer::{Entry, Layer, digest, entry, gzip, store},
    oracle::{Home, IMAGE, run, stat},
};

fn refused(home: &Home, result: Result<BaseDisk, Error>, kind: ErrorCode, word: &str) -> Error {
    let error = result.expect_err("it must be refused");
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    assert_eq!(error.code(), kind, "{text}");
    assert!(text.contains(word), "{word:?} in {text:?}");
    let left: Vec<_> = fs::read_dir(home.dir.path().join("disks")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    error
}

fn refuse(layers: &[Layer], kind: ErrorCode, word: &str) {
    let home = Home::new();
    refused(&home, home.try_build(layers), kind, word);
}

fn refuse_bytes(bytes: &[u8], diff_id: String, kind: ErrorCode, word: &str) -> Error {
    let home = Home::new();
    let layer = store(home.dir.path(), bytes, diff_id);
    let error = refused(
        &home,
        home.storage.base(IMAGE, std::slice::from_ref(&layer), &Cancel::default()),
        kind,
        word,
    );
    assert_eq!(error.layer(), Some(&*layer.path), "the damaged layer is named");
    error
}

#[test]
fn damaged_and_truncated_layers() {
    let tar = Layer::default().file("a", vec![7; 100_000]).file("b", "b").tar();
    let id = digest(&tar);
    let packed = gzip(&tar);
    refuse_bytes(&packed[..packed.len() - 20], id.clone(), ErrorCode::ImageCorrupt, "unpack layer");
    refuse_bytes(&packed[..packed.len() / 2], id.clone(), ErrorCode::ImageCorrupt, "");
    let frame = zstd::encode_all(&tar[..], 1).unwrap();
    refuse_bytes(&frame[..frame.len() - 3], id.clone(), ErrorCode::ImageCorrupt, "unpack layer");
    refuse_bytes(&tar[..50_000], id.clone(), ErrorCode::ImageCorrupt, "ends inside a file");
    refuse_bytes(&tar[..300], id.clone(), ErrorCode::ImageCorrupt, "ends inside a header");
    let mut wrong = tar.clone();
    wrong[0] ^= 1;
    refuse_bytes(&wrong, id.clone(), ErrorCode::ImageCorrupt, "checksum");
    refuse_bytes(b"{\"not\": \"a tar\"}", id.clone(), ErrorCode::ImageCorrupt, "");
    refuse_bytes(b"BZh91AY&SY", id, ErrorCode::ImageUnsupported, "bzip2");
}

#[test]
fn content_that_is_not_what_the_configuration_says() {
    let tar = Layer::default().file("a", "evil").tar();
    let promised = digest(b"good");
    let error = refuse_bytes(&gzip(&tar), promised.clone(), ErrorCode::ImageDigestMismatch, &promised);
    assert!(error.hint().is_some());
}

#[test]
fn damage_explains_an_entry_that_makes_no_sense() {
    let tar = Layer::default().link("a", "nothing").file("b", vec![1; 1 << 20]).tar();
    refuse_bytes(&gzip(&tar), digest(b"other"), ErrorCode::ImageDigestMismatch, "verify layer");
    refuse_bytes(&tar[..tar.len() / 2], digest(&tar), ErrorCode::ImageCorrupt, "ends inside a file");
}

#[test]
fn a_missing_layer_file_is_the_hosts_fault() {
    let home = Home::new();
    let layer = LayerFile { path: home.dir.path().join("gone"), diff_id: digest(b"") };
    let error = home.storage.base(IMAGE, &[layer], &Cancel::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageIo);
}

#[test]
fn what_the_disk_cannot_hold_is_refused_by_name() {
    use ErrorCode::{ImageCorrupt as Corrupt, ImageUnsupported as Unsupported};
    let odd = |path: &[u8]| Entry { path: path.into(), ..entry(EntryType::Regular, "") };
    refuse(&[Layer::default().add(odd(b"caf\xe9"))], Unsupported, "\\xe9");
    refuse(&[Layer::default().file(&"x".repeat(256), "")], Unsupported, "256 bytes");
    refuse(&[Layer::default().file(&"x/".repeat(3000), "")], Unsupported, "6000 bytes");
    refuse(
        &[Layer::default().add(Entry { device: (4096, 1), ..entry(EntryType::Char, "dev/x") })],
        Unsupported,
        "dev/x",
    );
    refuse(&[Layer::default().add(entry(EntryType::new(b'V'), "volume"))], Unsupported, "volume");
    for id in [u64::from(u32::MAX), 1 << 32] {
        refuse(
            &[Layer::default().add(Entry { owner: (0, id), ..entry(EntryType::Regular, "whose") })],
            Unsupported,
            "whose",
        );
    }
    refuse(
        &[Layer::default()
            .add(Entry { xattrs: vec![("user.a\0b", vec![])], ..entry(EntryType::Regular, "odd") })],
        Unsupported,
        "NUL",
    );
    let nul = |key: &str, kind| {
        let mut records = Vec::new();
        crate::layer::record(&mut records, key, b"a\0b");
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        let mut layer = Layer::default();
        layer.raw(header, &records);
        layer.add(Entry { link: b"x".to_vec(), ..entry(kind, "x") })
    };
    refuse(&[nul("path", EntryType::Regular)], Unsupported, "NUL");
    refuse(&[nul("linkpath", EntryType::Symlink)], Unsupported, "symbolic link");
    refuse(&[nul("linkpath", EntryType::Link)], Unsupported, "NUL");
    refuse(&[Layer::default().link("a", "nothing")], Corrupt, "nothing");
    refuse(&[Layer::default().dir("d").link("a", "d")], Corrupt, "\"d\"");
    refuse(&[Layer::default().file(".wh.", "")], Corrupt, "whiteout");
    refuse(&[Layer::default().symlink("a", "b").symlink("b", "a").file("a/x", "")], Corrupt, "loop");
    refuse(
        &[Layer::default()
            .add(Entry { xattrs: vec![("user.big", vec![0; 5000])], ..entry(EntryType::Regular, "fat") })],
        Unsupported,
        "fat",
    );
}

/// A file of nothing but a hole.
fn hole(size: u64) -> Layer {
    let mut sparse = Header::new_gnu();
    sparse.set_entry_type(EntryType::GNUSparse);
    sparse.set_path("hole").unwrap();
    sparse.as_gnu_mut().unwrap().set_real_size(size);
    let mut vast = Layer::default();
    vast.raw(sparse, b"");
    vast
}

#[test]
fn the_longest_file_that_there_can_be() {
    let size = (1 << 44) - 4096;
    let home = Home::new();
    let disk = home.build(&[hole(size)]);
    assert!(stat(&disk.path, "/hole").contains(&format!("Size: {size}")), "{}", stat(&disk.path, "/hole"));
}

#[test]
fn a_file_of_more_names_than_ext4_counts() {
    let names = |count| {
        let mut layer = Layer::default().file("0", "");
        for n in 1..count {
            layer = layer.link(&n.to_string(), "0");
        }
        layer
    };
    Home::new().build(&[names(65_000)]);
    refuse(&[names(65_001)], ErrorCode::ImageUnsupported, "65000 names");
}

#[test]
fn bombs_end_at_the_limits() {
    let home = Home::with(|options| options.limits.unpacked_bytes = 1 << 20);
    let bomb = Layer::default().file("zeros", vec![0; 8 << 20]);
    refused(&home, home.try_build(&[bomb]), ErrorCode::ImageTooLarge, "more bytes than allowed");

    let home = Home::with(|options| options.limits.entries = 10);
    let many = (0..11).fold(Layer::default(), |layer, n| layer.file(&n.to_string(), ""));
    refused(&home, home.try_build(&[many]), ErrorCode::ImageTooLarge, "more entries");

    // One entry, and ten directories that it needs and nobody describes.
    let home = Home::with(|options| options.limits.entries = 10);
    let deep = Layer::default().file("1/2/3/4/5/6/7/8/9/10/file", "");
    refused(&home, home.try_build(&[deep]), ErrorCode::ImageTooLarge, "more than 10 files");

    let home = Home::with(|options| options.limits.metadata_bytes = 1 << 20);
    let wordy = (0..300).fold(Layer::default(), |layer, n| layer.symlink(&n.to_string(), &"x".repeat(4000)));
    refused(&home, home.try_build(&[wordy]), ErrorCode::ImageTooLarge, "names and attributes");

    let mut long = Layer::default();
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    long.raw(header, &vec![b'x'; 2 << 20]);
    refuse(&[long.file("a", "")], ErrorCode::ImageTooLarge, "extended header");

    // Short headers before one entry are bounded together, whatever they are.
    for kind in [EntryType::XHeader, EntryType::XGlobalHeader, EntryType::GNULongName, EntryType::GNULongLink]
    {
        for content in [&b""[..], &b"12 comment=\n".repeat(80)] {
            let mut crowded = Layer::default();
            for _ in 0..5000 {
                let mut header = Header::new_gnu();
                header.set_entry_type(kind);
                crowded.raw(header, content);
            }
            refuse(&[crowded.file("a", "")], ErrorCode::ImageTooLarge, "extended headers");
        }
    }

    // So is what a sparse file takes of the disk, a block for each byte.
    let home = Home::with(|options| options.limits.unpacked_bytes = 1 << 20);
    let map: Vec<_> = (0..1000).map(|n| format!("{},1", n * 8192)).collect();
    let mut records = Vec::new();
    crate::layer::record(&mut records, "GNU.sparse.size", b"8192000");
    crate::layer::record(&mut records, "GNU.sparse.map", map.join(",").as_bytes());
    let mut dotted = Layer::default();
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    dotted.raw(header, &records);
    refused(
        &home,
        home.try_build(&[dotted.file("dots", vec![7; 1000])]),
        ErrorCode::ImageTooLarge,
        "bytes of disk",
    );

    // A header may promise any size; nothing may be set aside for it.
    let mut huge = Header::new_gnu();
    huge.set_entry_type(EntryType::Regular);
    huge.set_path("huge").unwrap();
    huge.set_size(1 << 60);
    huge.set_cksum();
    refuse_bytes(huge.as_bytes(), digest(huge.as_bytes()), ErrorCode::ImageCorrupt, "ends inside a file");

    // Nor may the disk have a file that it can't hold, though it be one hole.
    for size in [1 << 60, 1 << 44, (1 << 44) - 4095] {
        refuse(&[hole(size)], ErrorCode::ImageUnsupported, "of which ext4 holds");
    }

    // Short names may lead a long way, and each of them the same.
    let home = Home::with(|options| options.limits.entries = 500);
    let far = (0..400).fold(Layer::default().dir("d").symlink("far", &"d/../".repeat(800)), |layer, n| {
        layer.file(&format!("far/{n}"), "")
    });
    refused(&home, home.try_build(&[far]), ErrorCode::ImageTooLarge, "too many directories and links");

    // With a link to start from, folders could lie in each other without end.
    let half = "d/".repeat(1500);
    let deep = Layer::default().dir(&half).symlink("half", &half).dir(&format!("half/{half}"));
    refuse(&[deep], ErrorCode::ImageUnsupported, "directories in each other");

    // Links that double with each step would walk for ever.
    let mut links = Layer::default().dir("l0");
    for n in 1..40 {
        links = links.symlink(&format!("l{n}"), &format!("{0}/../{0}/..", format_args!("l{}", n - 1)));
    }
    refuse(&[links.file("l39/x", "")], ErrorCode::ImageCorrupt, "links");
}

#[test]
fn a_cancelled_base_is_not_made() {
    let home = Home::new();
    let cancel = Cancel::default();
    cancel.cancel();
    let layer = Layer::default().file("a", vec![7; 1 << 20]).store(home.dir.path(), Compression::Zstd);
    let cancelled = home.storage.base(IMAGE, std::slice::from_ref(&layer), &cancel);
    refused(&home, cancelled, ErrorCode::ImageCancelled, "it was cancelled");
    home.storage.base(IMAGE, &[layer], &Cancel::default()).unwrap();
}

#[test]
fn an_image_that_is_larger_than_its_disk() {
    let home = Home::with(|options| options.virtual_size = 128 << 20);
    let layers: Vec<_> = (0..5).map(|n| Layer::default().file(&format!("f{n}"), vec![n; 60 << 20])).collect();
    // A base has what its image needs, and a box some more by default.
    let base = home.build(&layers);
    assert_eq!(base.virtual_size, 384 << 20);
    let disk = |name: &str| home.dir.path().join(name);
    let overlay = Overlay::create(disk("default.qcow2"), &base, None).unwrap();
    assert_eq!(overlay.virtual_size, (384 << 20) + (4 << 30));
    let error = Overlay::create(disk("small.qcow2"), &base, Some(256 << 20)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ImageTooLarge);
    assert!(error.to_string().contains("needs 384 MiB, and 256 MiB are asked for"), "{error}");
    assert!(!disk("small.qcow2").exists());
}

/// Runs in a mount namespace of its own, on a tiny tmpfs; see below.
#[test]
#[ignore = "started by a_full_host_disk"]
fn child_with_a_full_disk() {
    let home = Home::new();
    let layer = Layer::default().file("big", vec![1; 12 << 20]);
    refused(&home, home.try_build(&[layer]), ErrorCode::StorageFull, "free");
}

#[test]
fn a_full_host_disk() {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=8m none \"$1\" && TMPDIR=\"$1\" exec \"$2\" --ignored --exact faults::child_with_a_full_disk";
    let output = run(
        Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
            .arg(dir.path())
            .arg(std::env::current_exe().unwrap()),
        "util-linux",
    );
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn noise_never_panics() {
    let tar = Layer::default()
        .file("a/b", vec![1; 3000])
        .symlink("s", "a")
        .link("h", "a/b")
        .file("a/.wh.x", "")
        .add(Entry {
            xattrs: vec![("user.x", b"y".into())],
            mtime: "1.5",
            ..entry(EntryType::Directory, "d")
        })
        .tar();
    let home = Home::with(|options| options.virtual_size = 256 << 20);
    let mut random = crate::model::Random(42);
    for _ in 0..600 {
        let mut bytes = tar.clone();
        for _ in 0..=random.below(3) {
            // Headers stand at the start of blocks; that is where noise is worth most.
            let at = random.below(bytes.len() / 512) * 512 + random.below(512);
            bytes[at] = u8::try_from(random.below(256)).unwrap();
        }
        fix_checksums(&mut bytes);
        let layer = store(home.dir.path(), &bytes, digest(&bytes));
        if home.storage.base(IMAGE, std::slice::from_ref(&layer), &Cancel::default()).is_ok() {
            home.remove();
        }
        fs::remove_file(&layer.path).unwrap();
    }
}

/// Noise must get past the checksum to be of use.
fn fix_checksums(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512) {
        if &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
    }
}

#[test]
fn every_compression_gives_the_same_disk() {
    let layer = Layer::default().file("a", vec![9; 70_000]);
    let disks: Vec<_> = [Compression::None, Compression::Gzip, Compression::Zstd]
        .into_iter()
        .map(|kind| {
            let home = Home::new();
            let file = layer.store(home.dir.path(), kind);
            fs::read(home.storage.base(IMAGE, &[file], &Cancel::default()).unwrap().path).unwrap()
        })
        .collect();
    assert!(disks[0] == disks[1] && disks[1] == disks[2]);
}

#[test]
fn gzip_of_several_members_and_zstd_of_several_frames() {
    let tar = Layer::default().file("a", "1").file("b", "2").tar();
    let (head, tail) = tar.split_at(700);
    let frames = |pack: &dyn Fn(&[u8]) -> Vec<u8>| [pack(head), pack(tail)].concat();
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"toc"].concat();
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    for packed in [frames(&gzip), frames(&zstd), [skippable, frames(&zstd)].concat()] {
        let home = Home::new();
        let layer = store(Path::new(home.dir.path()), &packed, digest(&tar));
        home.storage.base(IMAGE, &[layer], &Cancel::default()).unwrap();
    }
}
