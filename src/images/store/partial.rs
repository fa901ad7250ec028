//! A blob on its way in. Called by `fetch`.
//!
//! The file is locked while a caller writes to it, in this process or another, and stays when the caller is cancelled: the next one
//! hashes what is there and goes on behind it. Bytes are hashed and written on the blocking pool; a write that outlives
//! its caller keeps the lock until it is done.

use std::{
    fs::{self, File},
    io::{self, Seek, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use boxlite_error::ErrorCode;
use boxlite_unpack::{Cancel, Cancellable};
use bytes::Bytes;

use super::ImageStore;
use crate::{
    blocking::{blocking, long_blocking},
    digest::{Digest, Hasher, hash},
    error::Error,
};

/// How often to check whether another writer is done.
const POLL: Duration = Duration::from_millis(20);
/// How long another writer may get nothing: longer than its own attempts take, but one that is stopped keeps its lock for ever.
const STUCK: Duration = Duration::from_mins(15);

/// What there is of a blob when a caller wants it.
pub(crate) enum Start {
    /// All of it: another caller was faster.
    Present,
    /// The first bytes, or none.
    Partial(Partial),
}

/// A blob that is being written, under lock.
pub(crate) struct Partial {
    file: File,
    path: PathBuf,
    target: PathBuf,
    /// The digest that the whole must have.
    pub(crate) digest: Digest,
    hasher: Hasher,
    /// How many bytes are here.
    pub(crate) written: u64,
    size: u64,
}

impl ImageStore {
    /// Starts or resumes the blob; see [`Start`]. While another caller writes it, `waiting` gets the bytes that have arrived.
    pub(crate) async fn partial(
        &self,
        digest: &Digest,
        size: u64,
        mut waiting: impl FnMut(u64) + Send,
    ) -> Result<Start, Error> {
        let mut moved = (Instant::now(), None);
        loop {
            if self.has(digest, size).await? {
                return Ok(Start::Present);
            }
            let target = self.blob_path(digest);
            let wanted = digest.clone();
            let opened = long_blocking(move |cancel| {
                Partial::open(target, &wanted, size, cancel)
                    .map_err(|error| Error::storage(format!("start blob {wanted}"), error))
            });
            if let Some(partial) = opened.await? {
                return Ok(Start::Partial(partial));
            }
            let written = size.saturating_sub(self.missing(digest, size).await?);
            if moved.1 != Some(written) {
                moved = (Instant::now(), Some(written));
            } else if moved.0.elapsed() >= STUCK {
                let message = format!(
                    "fetch blob {digest}: another pull has it, and got nothing for {} minutes",
                    STUCK.as_secs() / 60
                );
                return Err(Error::new(ErrorCode::RegistryUnreachable, message));
            }
            waiting(written);
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Partial {
    /// Opens, locks and hashes what is there; `None` while another has it.
    fn open(target: PathBuf, digest: &Digest, size: u64, cancel: &Cancel) -> io::Result<Option<Self>> {
        let path = target.with_extension("partial");
        let Some(mut file) = boxlite_durable::lock(&path)? else { return Ok(None) };
        // Another writer may have finished between the check for the blob and the making of this file.
        if fs::metadata(&target).is_ok_and(|blob| blob.len() == size) {
            fs::remove_file(&path)?;
            return Ok(None);
        }
        if file.metadata()?.len() > size {
            file.set_len(0)?;
        }
        let hasher = hash(Cancellable::new(&mut file, cancel))?;
        let written = file.stream_position()?;
        Ok(Some(Self { file, path, target, digest: digest.clone(), hasher, written, size }))
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.written == self.size
    }

    /// Appends bytes; more than the blob's size is an error.
    pub(crate) async fn append(mut self, chunks: Vec<Bytes>) -> Result<Self, Error> {
        blocking(move || {
            for chunk in chunks {
                let length = chunk.len() as u64;
                if length > self.size - self.written {
                    let message = format!("fetch blob {}: more than its {} bytes", self.digest, self.size);
                    self.restart_now()?;
                    return Err(Error::corrupt(message));
                }
                self.hasher.update(&chunk);
                self.file.write_all(&chunk).map_err(|error| self.failed(error))?;
                self.written += length;
            }
            Ok(self)
        })
        .await
    }

    /// Throws away what is here.
    pub(crate) async fn restart(mut self) -> Result<Self, Error> {
        blocking(move || self.restart_now().map(|()| self)).await
    }

    fn restart_now(&mut self) -> Result<(), Error> {
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(|error| self.failed(error))?;
        self.hasher = Hasher::new();
        self.written = 0;
        Ok(())
    }

    /// Compares the digest and gives the blob its name. Wrong bytes are thrown away.
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        blocking(move || {
            let found = Digest::finish(self.hasher.clone());
            if found != self.digest {
                self.restart_now()?;
                let _ = fs::remove_file(&self.path);
                return Err(Error::new(
                    ErrorCode::ImageDigestMismatch,
                    format!("verify blob {}: its content is {found}", self.digest),
                ));
            }
            boxlite_durable::rename(&self.file, &self.path, &self.target).map_err(|error| self.failed(error))
        })
        .await
    }

    fn failed(&self, error: io::Error) -> Error {
        // What could be resumed later must not keep a full disk full.
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            let _ = fs::remove_file(&self.path);
        }
        Error::storage(format!("store blob {}", self.digest), error)
    }
}
