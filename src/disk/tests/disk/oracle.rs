//! Programs that judge a disk: e2fsck (`fsck`), debugfs, qemu-img. A missing one fails the test and says what to install.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use boxlite_disk::{BaseDisk, Cancel, Compression, Error, ImageStorage};
use tempfile::TempDir;

pub(crate) use crate::fsck::{fsck, run};
use crate::layer::Layer;

/// A folder of one's own, with an image storage in it.
pub(crate) struct Home {
    pub(crate) dir: TempDir,
    pub(crate) storage: ImageStorage,
}

/// A disk with its home.
pub(crate) struct Disk {
    pub(crate) path: PathBuf,
    _home: Home,
}

pub(crate) const IMAGE: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

impl Home {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// Disks of 1 GiB: e2fsck reads every inode table, and that of 64 GiB takes seconds.
    pub(crate) fn with(change: impl FnOnce(&mut ImageStorage)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut storage = ImageStorage::open(dir.path().join("disks")).unwrap();
        storage.virtual_size = 1 << 30;
        change(&mut storage);
        Self { dir, storage }
    }

    /// Removes the image's base, and returns whether there was one.
    pub(crate) fn remove(&self) -> bool {
        let bases = self.storage.list().unwrap().into_iter().filter(|base| base.image_digest == IMAGE);
        bases.map(|base| self.storage.remove_file(&base).unwrap()).filter(|removed| *removed).count() > 0
    }

    pub(crate) fn try_build(&self, layers: &[Layer]) -> Result<BaseDisk, Error> {
        let kinds = [Compression::Gzip, Compression::Zstd, Compression::None];
        let files: Vec<_> = layers
            .iter()
            .zip(kinds.into_iter().cycle())
            .map(|(layer, kind)| layer.store(self.dir.path(), kind))
            .collect();
        self.storage.base(IMAGE, &files, &Cancel::default())
    }

    /// Builds a disk in this home, which lives as long as the result.
    pub(crate) fn build_in(self, layers: &[Layer]) -> Disk {
        let BaseDisk { path, .. } = self.build(layers);
        Disk { path, _home: self }
    }

    /// Builds a disk and has it checked.
    pub(crate) fn build(&self, layers: &[Layer]) -> BaseDisk {
        let base = self.try_build(layers).unwrap();
        fsck(&base.path);
        base
    }
}

/// What debugfs prints for one request.
pub(crate) fn debugfs(disk: &Path, request: &str) -> String {
    let output = run(Command::new("debugfs").args(["-R", request]).arg(disk), "e2fsprogs");
    let errors = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<_> = errors.lines().filter(|line| !line.starts_with("debugfs 1.")).collect();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), errors.join("\n"))
}

pub(crate) fn cat(disk: &Path, path: &str) -> String {
    debugfs(disk, &format!("cat \"{path}\""))
}

pub(crate) fn stat(disk: &Path, path: &str) -> String {
    debugfs(disk, &format!("stat \"{path}\""))
}

pub(crate) fn exists(disk: &Path, path: &str) -> bool {
    !stat(disk, path).contains("File not found")
}

/// The names in a directory, without `.`, `..` and `lost+found`.
pub(crate) fn list(disk: &Path, path: &str) -> Vec<String> {
    let mut names: Vec<_> = debugfs(disk, &format!("ls -p \"{path}\""))
        .lines()
        .filter_map(|line| line.split('/').nth(5).map(str::to_owned))
        .filter(|name| !matches!(name.as_str(), "" | "." | ".." | "lost+found"))
        .collect();
    names.sort();
    names
}
