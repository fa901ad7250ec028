//! Overlays, judged by qemu-img and read through it.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use boxlite_disk::{ErrorKind, Overlay};

use crate::{
    layer::Layer,
    oracle::{Home, fsck, run},
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
    let overlay = Overlay::create(&path, &base).unwrap();
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

#[test]
fn an_overlay_never_replaces_a_file() {
    let home = Home::with(|options| options.virtual_size = 256 << 20);
    let base = home.build(&[]);
    let path = home.dir.path().join("disk.qcow2");
    fs::write(&path, "precious").unwrap();
    let error = Overlay::create(&path, &base).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageIo);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert!(Overlay::create(home.dir.path().join("no/such/dir"), &base).is_err());
}
