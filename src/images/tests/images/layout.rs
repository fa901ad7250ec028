//! OCI layouts as a source.

use std::fs;

use boxlite_images::{ErrorKind, PullPolicy};

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
    assert_eq!(home.pull_with(&source, PullPolicy::Always).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn which_image_is_meant_must_be_clear() {
    let home = Home::new(vec![]);
    let mut layout = Layout::with_layers(&[layer(1, 100)]);
    let other = layout.image(&host_architecture(), &[layer(2, 100)]);
    layout.name("other", other);
    let dir = layout.path().display().to_string();
    let error = home.pull(&dir).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Reference);
    assert!(error.to_string().contains("latest, other"), "{error}");
    let error = home.pull(&format!("oci:{dir}:nope")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("latest, other"), "{error}");
    assert_eq!(home.pull("oci:/no/such/folder").await.unwrap_err().kind(), ErrorKind::NotFound);
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
        (Some(bad), ErrorKind::DigestMismatch),
        (Some(good[..70_000].to_vec()), ErrorKind::Corrupt),
        (None, ErrorKind::Corrupt),
    ] {
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let home = Home::new(vec![]);
        let error = home.pull(&layout.source()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
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
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
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
            (&bytes[..bytes.len() / 2], ErrorKind::Corrupt),
            (&b"no tar at all"[..], ErrorKind::Corrupt),
            (&[0x1f, 0x8b, 8, 0][..], ErrorKind::Corrupt),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0, 0][..], ErrorKind::Corrupt),
            (&b"BZh9 of long ago"[..], ErrorKind::Unsupported),
            (&[0; 1024][..], ErrorKind::NotFound),
        ] {
            fs::write(&path, bytes).unwrap();
            let home = Home::new(vec![]);
            let error = home.pull(&path).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(home.images.list().await.unwrap().is_empty());
        }
    }
}
