//! OCI layouts as a source.

use std::{fs, io::Write, os::unix::fs::MetadataExt, path::Path};

use boxlite_error::ErrorCode;
use boxlite_images::{Error, PullPolicy};
use tar::{Builder, EntryType, Header};

use crate::fixture::{Home, Layout, assert_whole, host_architecture, layer};

#[tokio::test]
async fn a_layout_is_pulled_under_any_of_its_names() {
    let tars = [layer(1, 3_000_000), layer(2, 5)];
    let layout = Layout::with_layers(&tars);
    let dir = layout.path().display();
    for source in [format!("oci:{dir}:latest"), format!("oci:{dir}"), format!("{dir}"), format!("{dir}/")] {
        let home = Home::new(vec![]);
        assert_whole(&home.pull_with(&source, PullPolicy::Never).await.unwrap(), &tars);
    }
}

#[tokio::test]
async fn a_rebuilt_layout_is_seen_and_a_vanished_one_remembered() {
    let home = Home::new(vec![]);
    let mut layout = Layout::with_layers(&[layer(1, 100)]);
    let source = format!("oci:{}:next", layout.path().display());
    for seed in [2, 3] {
        let tars = [layer(seed, 100)];
        let image = layout.image(&host_architecture(), &tars);
        layout.rename("next", image);
        assert_whole(&home.pull(&source).await.unwrap(), &tars);
    }
    drop(layout);
    assert_whole(&home.pull(&source).await.unwrap(), &[layer(3, 100)]);
    assert_eq!(
        home.pull_with(&source, PullPolicy::Always).await.unwrap_err().code(),
        ErrorCode::ImageNotFound
    );
}

#[tokio::test]
async fn which_image_is_meant_must_be_clear() {
    let home = Home::new(vec![]);
    let mut layout = Layout::with_layers(&[layer(1, 100)]);
    let other = layout.image(&host_architecture(), &[layer(2, 100)]);
    layout.name("other", other);
    let dir = layout.path().display().to_string();
    let error = home.pull(&dir).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ImageReference);
    assert!(error.to_string().contains("latest, other"), "{error}");
    let error = home.pull(&format!("oci:{dir}:nope")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ImageNotFound);
    assert!(error.to_string().contains("latest, other"), "{error}");
    assert_eq!(home.pull("oci:/no/such/folder").await.unwrap_err().code(), ErrorCode::ImageNotFound);
}

#[tokio::test]
async fn damage_in_a_layout_is_found() {
    let layout = Layout::with_layers(&[layer(1, 100_000)]);
    let home = Home::new(vec![]);
    let digest = home.pull(&layout.source()).await.unwrap().layers[0].digest.clone();
    let path = layout.blob_path(&digest);
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[50_000] ^= 1;
    for (bytes, kind) in [
        (Some(bad), ErrorCode::ImageDigestMismatch),
        (Some(good[..70_000].to_vec()), ErrorCode::ImageCorrupt),
        (None, ErrorCode::ImageCorrupt),
    ] {
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let home = Home::new(vec![]);
        let error = home.pull(&layout.source()).await.unwrap_err();
        assert_eq!(error.code(), kind, "{error}");
        assert!(error.to_string().contains(&digest), "{error}");
        assert!(!home.blob_path(&digest).exists());
        assert!(home.images.list().await.unwrap().is_empty());
    }
}

/// Has skopeo convert the layout to an archive.
pub(crate) fn archive(layout: &Layout, kind: &str, name: &str) -> String {
    let path = layout.path().join("archive.tar");
    let _ = fs::remove_file(&path);
    let mut skopeo = std::process::Command::new("skopeo");
    skopeo.args(["copy", "--quiet"]).arg(layout.source()).arg(format!("{kind}:{}{name}", path.display()));
    crate::registry::run(&mut skopeo, "skopeo");
    path.display().to_string()
}

#[tokio::test]
async fn archives_are_read_in_place() {
    let tars = [layer(1, 3_000_000), layer(2, 5)];
    let layout = Layout::with_layers(&tars);
    let mut digests = Vec::new();
    for (kind, name) in [("oci-archive", ":v1"), ("docker-archive", ":some/app:v1")] {
        let path = archive(&layout, kind, name);
        for source in
            [format!("{kind}:{path}"), path.clone(), format!("{kind}:{path}{name}"), format!("oci:{path}:v1")]
        {
            let home = Home::new(vec![]);
            let image = home.pull(&source).await.unwrap();
            assert_whole(&image, &tars);
            assert_eq!(image.config.user.as_deref(), Some("1000:1000"), "{source}");
            digests.push(image.digest);
        }
        let error = Home::new(vec![]).pull(&format!("{kind}:{path}:v2")).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ImageNotFound, "{error}");
    }
    digests.dedup();
    assert_eq!(digests.len(), 2, "the manifest made for a docker archive is the same each time");
}

#[tokio::test]
async fn broken_archives_are_told() {
    let layout = Layout::with_layers(&[layer(1, 300_000)]);
    for kind in ["oci-archive", "docker-archive"] {
        let path = archive(&layout, kind, ":app:v1");
        let bytes = fs::read(&path).unwrap();
        for (bytes, kind) in [
            (&bytes[..bytes.len() / 2], ErrorCode::ImageCorrupt),
            (&b"no tar at all"[..], ErrorCode::ImageCorrupt),
            (&[0x1f, 0x8b, 8, 0][..], ErrorCode::ImageCorrupt),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0, 0][..], ErrorCode::ImageCorrupt),
            (&b"BZh9 of long ago"[..], ErrorCode::ImageUnsupported),
            (&[0; 1024][..], ErrorCode::ImageNotFound),
        ] {
            fs::write(&path, bytes).unwrap();
            let home = Home::new(vec![]);
            let error = home.pull(&path).await.unwrap_err();
            assert_eq!(error.code(), kind, "{error}");
            assert!(home.images.list().await.unwrap().is_empty());
        }
    }
}

/// The layout's files as a tar, with its blobs as links of a kind to files of other names.
fn linked(layout: &Layout, kind: EntryType) -> String {
    let path = layout.path().join("linked.tar");
    let mut tar = Builder::new(fs::File::create(&path).unwrap());
    for name in ["oci-layout", "index.json"] {
        tar.append_path_with_name(layout.path().join(name), name).unwrap();
    }
    for blob in fs::read_dir(layout.path().join("blobs/sha256")).unwrap() {
        let (path, name) = {
            let blob = blob.unwrap();
            (blob.path(), blob.file_name().into_string().unwrap())
        };
        tar.append_path_with_name(&path, format!("store/{name}")).unwrap();
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        // A hard link's target counts from the archive's root, a symbolic one's from its own folder.
        let up = if kind == EntryType::Link { "" } else { "../../" };
        tar.append_link(&mut header, format!("blobs/sha256/{name}"), format!("{up}store/{name}")).unwrap();
    }
    tar.into_inner().unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn layers_may_stand_in_an_archive_as_links() {
    let tars = [layer(1, 3000), layer(2, 5)];
    for kind in [EntryType::Link, EntryType::Symlink] {
        let layout = Layout::with_layers(&tars);
        let path = linked(&layout, kind);
        assert_whole(&Home::new(vec![]).pull(&format!("oci-archive:{path}")).await.unwrap(), &tars);
        let home = Home::new(vec![]);
        assert_whole(&home.images.load(Path::new(&path)).await.unwrap()[0], &tars);
    }
}

async fn refused(home: &Home, path: &Path) -> Error {
    let error = home.pull(&format!("oci-archive:{}", path.display())).await.unwrap_err();
    assert!(home.blobs().is_empty());
    error
}

#[tokio::test]
async fn hostile_archives_are_refused_in_bounded_space() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    // A name that says it is longer than memory.
    let mut long = Header::new_gnu();
    long.set_entry_type(EntryType::GNULongName);
    long.set_size(2 << 30);
    long.set_cksum();
    let mut bytes = long.as_bytes().to_vec();
    bytes.resize(8192, 0);
    fs::write(&path, bytes).unwrap();
    assert_eq!(refused(&Home::new(vec![]), &path).await.code(), ErrorCode::ImageTooLarge);

    // Headers without end before the first member.
    let mut comment = Header::new_ustar();
    comment.set_entry_type(EntryType::XHeader);
    comment.set_size(512);
    comment.set_cksum();
    let mut packed = zstd::Encoder::new(fs::File::create(&path).unwrap(), 1).unwrap();
    for _ in 0..10_000 {
        packed.write_all(comment.as_bytes()).unwrap();
        packed.write_all(&b"16 comment=0123\n".repeat(32)).unwrap();
    }
    packed.finish().unwrap();
    assert_eq!(refused(&Home::new(vec![]), &path).await.code(), ErrorCode::ImageTooLarge);

    // Gigabytes out of next to nothing, which are not zeros.
    let mut packed = zstd::Encoder::new(fs::File::create(&path).unwrap(), 1).unwrap();
    let mut header = Header::new_gnu();
    header.set_path("oci-layout").unwrap();
    header.set_size(8 << 30);
    header.set_cksum();
    packed.write_all(header.as_bytes()).unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..=1 << 10 {
        packed.write_all(&piece).unwrap();
    }
    packed.finish().unwrap();
    let error = refused(&Home::new(vec![]), &path).await;
    assert_eq!(error.code(), ErrorCode::ImageTooLarge, "{error}");

    // What nobody ever writes to.
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for source in ["oci-archive", "rootfs"] {
        let error = Home::new(vec![]).pull(&format!("{source}:{}", fifo.display())).await.unwrap_err();
        assert!(matches!(error.code(), ErrorCode::StorageIo | ErrorCode::ImageCorrupt), "{error}");
    }
}

#[tokio::test]
async fn a_configuration_that_no_box_could_keep_is_refused() {
    for key in ["Labels", "Env", "Cmd"] {
        let layout = Layout::new();
        let text = "\u{1}".repeat(180_000);
        let value = if key == "Labels" {
            serde_json::json!({ "a": text })
        } else {
            serde_json::json!([format!("A={text}")])
        };
        let config = serde_json::json!({
            "architecture": host_architecture(),
            "os": "linux",
            "config": { key: value },
            "rootfs": { "type": "layers", "diff_ids": [] },
        });
        let config =
            layout.blob("application/vnd.oci.image.config.v1+json", &serde_json::to_vec(&config).unwrap());
        let manifest = serde_json::json!({ "schemaVersion": 2, "config": config, "layers": [] });
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = layout.blob(media_type, &serde_json::to_vec(&manifest).unwrap());
        let mut layout = layout;
        layout.name("latest", manifest);
        let home = Home::new(vec![]);
        let error = home.pull(&layout.source()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ImageTooLarge, "{key}: {error}");
        assert!(home.images.list().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn many_names_are_loaded_and_remembered_together() {
    let mut layout = Layout::new();
    let images = [1, 2].map(|seed| layout.image(&host_architecture(), &[layer(seed, 10)]));
    for n in 0..300 {
        layout.name(&format!("example.org/app:{n:03}"), images[n % 2].clone());
    }
    let home = Home::new(vec![]);
    let loaded = home.images.load(layout.path()).await.unwrap();
    assert_eq!(loaded.len(), 300);
    assert_eq!(loaded[7].reference, "example.org/app:007");
    assert_whole(&loaded[7], &[layer(2, 10)]);
    assert_eq!(home.images.list().await.unwrap().len(), 300);
    // What fails is told, and what came before it is there.
    let missing = serde_json::json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": format!("sha256:{}", "0".repeat(64)),
        "size": 10,
    });
    layout.name("zzz", missing);
    let home = Home::new(vec![]);
    assert_eq!(home.images.load(layout.path()).await.unwrap_err().code(), ErrorCode::ImageCorrupt);
    assert_eq!(home.images.list().await.unwrap().len(), 300);
}

#[tokio::test]
async fn what_the_store_keeps_is_its_owners_alone() {
    let home = Home::new(vec![]);
    let layout = Layout::with_layers(&[layer(1, 100)]);
    home.pull(&layout.source()).await.unwrap();
    let images = home.dir.path().join("images");
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
    for name in home.blobs() {
        assert_eq!(mode(&images.join("blobs/sha256").join(&name)), 0o600, "{name}");
    }
    for (name, expected) in
        [("index.json", 0o600), ("index.lock", 0o600), ("holds.lock", 0o600), ("blobs", 0o700)]
    {
        assert_eq!(mode(&images.join(name)), expected, "{name}");
    }
    assert_eq!(mode(&images), 0o700);
}
