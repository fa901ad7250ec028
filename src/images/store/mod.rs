//! `ImageStore`: blobs by digest, and which reference meant which manifest. Called by `fetch` and `manager`.
//!
//! `blobs/sha256/<hex>` holds verified blobs, `<hex>.partial` what has arrived of others; `index.json` names images. A
//! blob gets its final name only when its digest is right and its bytes are on the disk.

mod index;
mod partial;

use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File},
    io::Read,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use boxlite_durable::if_there;
use boxlite_unpack::Cancellable;
use nix::sys::statvfs::statvfs;

use crate::{
    blocking::{blocking, long_blocking},
    digest::{Digest, hash},
    error::Error,
    hold::Holds,
};

pub(crate) use index::{IndexEntry, seconds_now};
pub(crate) use partial::{Partial, Start};

/// The images of a home. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ImageStore {
    /// The folder itself.
    pub(crate) dir: Arc<Path>,
}

impl ImageStore {
    /// Opens the folder `dir`, usually `<home>/images`, and makes it if it is missing.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let dir = dir.into();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir.join("blobs/sha256"));
        made.map_err(|error| Error::storage(format!("open image store {}", dir.display()), error))?;
        Ok(Self { dir: dir.into() })
    }

    /// Where the blob is, or would be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("blobs/sha256").join(digest.hex())
    }

    /// Whether the blob is here with the right length. Its content was verified when it came; [`ImageStore::verify`]
    /// checks it again.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn has(&self, digest: &Digest, size: u64) -> Result<bool, Error> {
        let path = self.blob_path(digest);
        let digest = digest.clone();
        blocking(move || {
            let meta = if_there(fs::metadata(&path));
            match meta.map_err(|error| Error::storage(format!("look for blob {digest}"), error))? {
                Some(meta) if meta.len() != size => discard(&path, &digest).map(|()| false),
                meta => Ok(meta.is_some()),
            }
        })
        .await
    }

    /// Reads a small blob and checks it; `None` if it is missing. A damaged one is removed and counts as missing.
    pub(crate) async fn read(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let (store, digest) = (self.clone(), digest.clone());
        blocking(move || store.read_now(&digest, limit)).await
    }

    /// The same as [`ImageStore::read`]. Blocks.
    pub(crate) fn read_now(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let path = self.blob_path(digest);
        let failed = |error| Error::storage(format!("read blob {digest}"), error);
        let Some(file) = if_there(File::open(&path)).map_err(failed)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
        if Digest::of(&bytes) == *digest {
            return Ok(Some(bytes));
        }
        discard(&path, digest).map(|()| None)
    }

    /// Reads a whole blob and compares it with its name. A damaged one is removed, so that the next pull fetches it.
    ///
    /// # Errors
    /// The blob can't be read, or a damaged one can't be removed.
    pub async fn verify(&self, digest: &Digest) -> Result<bool, Error> {
        let path = self.blob_path(digest);
        let digest = digest.clone();
        long_blocking(move |cancel| {
            let failed = |error| Error::storage(format!("verify blob {digest}"), error);
            let Some(file) = if_there(File::open(&path)).map_err(failed)? else { return Ok(false) };
            if hash(Cancellable::new(file, cancel)).map(Digest::finish).map_err(failed)? == digest {
                return Ok(true);
            }
            discard(&path, &digest).map(|()| false)
        })
        .await
    }

    /// Stores a small blob whose digest is known.
    pub(crate) async fn put(&self, digest: &Digest, bytes: Vec<u8>) -> Result<(), Error> {
        let size = bytes.len() as u64;
        match self.partial(digest, size, |_| ()).await? {
            Start::Present => Ok(()),
            Start::Partial(partial) => {
                partial.restart().await?.append(vec![bytes.into()]).await?.commit().await
            }
        }
    }

    /// How many bytes of the blob are still to come.
    pub(crate) async fn missing(&self, digest: &Digest, size: u64) -> Result<u64, Error> {
        let path = self.blob_path(digest);
        blocking(move || {
            let length = |path: &Path| path.metadata().map_or(0, |meta| meta.len());
            if length(&path) == size {
                return Ok(0);
            }
            Ok(size.saturating_sub(length(&path.with_extension("partial"))))
        })
        .await
    }

    /// Returns the bytes that are free to this user on the store's file system.
    ///
    /// # Errors
    /// The file system can't be examined.
    pub async fn free(&self) -> Result<u64, Error> {
        let dir = Arc::clone(&self.dir);
        blocking(move || {
            let stat = statvfs(&*dir).map_err(|error| {
                Error::storage(format!("ask for the free space of {}", dir.display()), error.into())
            })?;
            Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
        })
        .await
    }

    /// Notes that a manifest's image was used; its file's time is the note, which costs no write.
    pub(crate) async fn touch(&self, manifest: &Digest) {
        let path = self.blob_path(manifest);
        let touch = move || {
            if let Err(error) = File::open(&path).and_then(|file| file.set_modified(SystemTime::now())) {
                tracing::debug!(path = %path.display(), %error, "use of an image not noted");
            }
            Ok(())
        };
        let _ = blocking(touch).await;
    }

    /// When [`ImageStore::touch`] was last called, in seconds since 1970.
    pub(crate) fn touched(&self, manifest: &Digest) -> Option<u64> {
        let modified = self.blob_path(manifest).metadata().and_then(|meta| meta.modified()).ok()?;
        modified.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
    }

    /// Bytes of whole blobs, and of partial ones.
    pub(crate) async fn sizes(&self) -> Result<(u64, u64), Error> {
        let dir = self.dir.join("blobs/sha256");
        blocking(move || {
            let failed = |error| Error::storage(format!("measure {}", dir.display()), error);
            let (mut whole, mut partial) = (0, 0);
            for entry in fs::read_dir(&dir).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                // It may have been removed, or become whole, since.
                let length = entry.metadata().map_or(0, |meta| meta.len());
                match entry.path().extension() {
                    Some(_) => partial += length,
                    None => whole += length,
                }
            }
            Ok((whole, partial))
        })
        .await
    }

    /// Removes all blobs but `used` and those that are held, and returns the bytes that this freed. Blocks.
    pub(crate) fn keep_only(&self, used: &HashSet<Digest>, holds: &Holds) -> Result<u64, Error> {
        let dir = self.dir.join("blobs/sha256");
        let failed = |error| Error::storage(format!("clean up {}", dir.display()), error);
        let used: HashSet<&str> = used.iter().map(Digest::hex).collect();
        let mut freed = 0;
        for entry in fs::read_dir(&dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let hex = name.split('.').next().unwrap_or_default();
            if used.contains(&*name) {
                continue;
            }
            let length = entry.metadata().map_or(0, |meta| meta.len());
            let removed = holds.unless_held(hex, || if_there(fs::remove_file(entry.path())));
            if removed.transpose().map_err(failed)?.flatten().is_some() {
                freed += length;
            }
        }
        Ok(freed)
    }

    fn index_path(&self) -> PathBuf {
        self.dir.join("index.json")
    }
}

/// A blob that is not what its name says.
fn discard(path: &Path, digest: &Digest) -> Result<(), Error> {
    tracing::warn!(%digest, "damaged blob removed from the image store");
    let removed = if_there(fs::remove_file(path)).map(drop);
    removed.map_err(|error| Error::storage(format!("remove damaged blob {digest}"), error))
}
