//! `ImageStorage`: the folder of finished bases, one per image and builder version. Called by the runtime's pipeline.
//!
//! A base is built under a temporary name that the builder keeps locked, then renamed: other callers, in this
//! process or another, wait for the lock. A killed builder leaves an unlocked file, which the next one removes.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use boxlite_durable::if_there;
use boxlite_unpack::Cancel;
use ring::digest::{SHA256, digest};

use crate::{
    base::{self, BaseDisk, DEFAULT_SIZE},
    error::Error,
    layer::LayerFile,
    limits::Limits,
    overlay,
};

/// Part of every base's name. Raise it with any change that gives an image other bytes, a new `mkext4` among them.
pub const BUILDER_VERSION: u32 = 2;

const TEMPORARY: &str = "tmp";
/// How often to check whether another builder has finished.
const POLL: Duration = Duration::from_millis(20);

/// Returns the digest of the image whose base the overlay at `path` lies on, by the name of that base. Returns `None` if there is no
/// overlay, if it is damaged, or if its base is not one of ours.
///
/// # Errors
/// [`ErrorCode::StorageIo`](boxlite_error::ErrorCode::StorageIo) when there is something that can't be read.
pub fn base_digest(path: &Path) -> Result<Option<String>, Error> {
    let name = if_there(overlay::backing_name(path))
        .map_err(|error| Error::storage(format!("read disk {}", path.display()), error))?;
    Ok(name.flatten().and_then(|name| digest_of(name.rsplit('/').next()?)))
}

/// The image of a base, by the base's file name.
fn digest_of(name: &str) -> Option<String> {
    let (hex, _) = name.strip_suffix(".ext4")?.split_once('-')?;
    Some(format!("sha256:{hex}"))
}

/// The bases of a home, `images/disks`.
#[derive(Debug, Clone)]
pub struct ImageStorage {
    dir: PathBuf,
    /// The size of bases, in bytes, a multiple of 128 MiB; one whose image needs more has that. A box may have a disk of
    /// another size. Default [`DEFAULT_SIZE`].
    pub virtual_size: u64,
    /// Bounds on the image.
    pub limits: Limits,
}

impl ImageStorage {
    /// Opens the folder, makes it if it is missing, and removes what killed builders left.
    ///
    /// # Errors
    /// The failure of the host's file system.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let dir = dir.into();
        let failed = |error| Error::storage(format!("open image storage {}", dir.display()), error);
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
        for entry in fs::read_dir(&dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == TEMPORARY) {
                remove_stale(&path).map_err(failed)?;
            }
        }
        Ok(Self { dir, virtual_size: DEFAULT_SIZE, limits: Limits::default() })
    }

    /// Returns the base of the image whose manifest has the digest `image_digest`, and builds it from `layers`, lowest first, if it
    /// is not there yet. Callers that come meanwhile wait and get the same. Blocks for as long as that takes, or until soon after
    /// `cancel` is set.
    ///
    /// # Errors
    /// The layers can't be unpacked or exceed the limits, the host's file system fails, or the work was cancelled; see
    /// [`ErrorCode`](boxlite_error::ErrorCode).
    pub fn base(&self, image_digest: &str, layers: &[LayerFile], cancel: &Cancel) -> Result<BaseDisk, Error> {
        let path = self.path(image_digest)?;
        loop {
            if path.exists() {
                return BaseDisk::at(&path);
            }
            if let Some(lock) = Temporary::lock(&path)? {
                return self.build(lock, &path, image_digest, layers, cancel);
            }
            // Another builder is at it, or has just finished.
            cancel.check().map_err(|error| Error::reading("wait for the disk image", error))?;
            thread::sleep(POLL);
        }
    }

    /// Lists the bases of all images and builder versions.
    ///
    /// # Errors
    /// The failure of the host's file system.
    pub fn list(&self) -> Result<Vec<StoredBase>, Error> {
        let failed = |error| Error::storage(format!("list {}", self.dir.display()), error);
        let mut bases = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(image_digest) = digest_of(name) else { continue };
            // It may have been removed since.
            if let Ok(meta) = path.metadata() {
                bases.push(StoredBase { image_digest, bytes: meta.blocks() * 512, path });
            }
        }
        Ok(bases)
    }

    /// Removes a base, which no box may be using. Returns whether it was still there.
    ///
    /// # Errors
    /// The failure of the host's file system.
    pub fn remove_file(&self, base: &StoredBase) -> Result<bool, Error> {
        let removed = if_there(fs::remove_file(&base.path));
        let failed = |error| Error::storage(format!("remove {}", base.path.display()), error);
        Ok(removed.map_err(failed)?.is_some())
    }

    fn path(&self, image_digest: &str) -> Result<PathBuf, Error> {
        let hex = image_digest
            .strip_prefix("sha256:")
            .filter(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .ok_or_else(|| Error::unsupported(format!("find disk image: digest {image_digest:?}")))?;
        let mib = self.virtual_size >> 20;
        Ok(self.dir.join(format!("{hex}-v{BUILDER_VERSION}-{mib}m.ext4")))
    }

    fn build(
        &self,
        mut temporary: Temporary,
        path: &Path,
        image_digest: &str,
        layers: &[LayerFile],
        cancel: &Cancel,
    ) -> Result<BaseDisk, Error> {
        // Another builder may have finished between the check and the lock.
        if path.exists() {
            return BaseDisk::at(path);
        }
        base::build(&temporary.file, layers, self.virtual_size, uuid(image_digest), self.limits, cancel)?;
        let failed = |error| Error::storage(format!("store {}", path.display()), error);
        boxlite_durable::rename(&temporary.file, &temporary.path, path).map_err(failed)?;
        temporary.done = true;
        // Not before: the next builder could not open what a killed one left.
        boxlite_durable::set_mode(&temporary.file, 0o400).map_err(failed)?;
        BaseDisk::at(path)
    }
}

/// A base in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBase {
    /// The digest of its image's manifest, `sha256:…`.
    pub image_digest: String,
    /// Bytes that it takes on the host.
    pub bytes: u64,
    path: PathBuf,
}

/// A locked file under construction; removed unless it was renamed.
struct Temporary {
    file: File,
    path: PathBuf,
    done: bool,
}

impl Temporary {
    /// Locks the temporary file; `None` while another builder has it, or if it has just finished.
    fn lock(path: &Path) -> Result<Option<Self>, Error> {
        let temporary = path.with_added_extension(TEMPORARY);
        let failed = |error| Error::storage(format!("make {}", temporary.display()), error);
        let Some(file) = boxlite_durable::lock(&temporary).map_err(failed)? else { return Ok(None) };
        // What a killed builder wrote must not be left in the holes of this one's image.
        file.set_len(0).map_err(failed)?;
        Ok(Some(Self { file, path: temporary, done: false }))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.done
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "temporary disk image left behind");
        }
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    if let Some(_lock) = boxlite_durable::lock(path)? {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// A UUID of version 8 (RFC 9562, 5.8) made of the image's digest: the same image gives the same bytes.
fn uuid(image_digest: &str) -> [u8; 16] {
    let hash = digest(&SHA256, format!("boxlite disk {BUILDER_VERSION} {image_digest}").as_bytes());
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&hash.as_ref()[..16]);
    uuid[6] = uuid[6] & 0x0f | 0x80;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}
