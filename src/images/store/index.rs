//! `index.json`: what each reference meant when it was last pulled. Called by `manager` and `cache`.
//!
//! It is read as a whole each time, since another process may have replaced it. A process changes it under `index.lock`.

use std::{
    collections::HashSet,
    fs::{self, File},
    io, thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use boxlite_durable::{Durability, if_there};
use serde::{Deserialize, Serialize};

use super::ImageStore;
use crate::{blocking::blocking, digest::Digest, error::Error, platform::Platform};

const VERSION: u32 = 1;
/// How long another process may have the lock: it reads every manifest when it cleans up.
const LOCK: Duration = Duration::from_mins(1);
/// How often to try the lock.
const POLL: Duration = Duration::from_millis(2);

/// One image that was pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IndexEntry {
    /// The normalised reference.
    pub(crate) reference: String,
    /// The requested platform.
    pub(crate) platform: Platform,
    /// The manifest of that platform.
    pub(crate) digest: Digest,
    /// The layers' size as stored, in bytes.
    pub(crate) size: u64,
    /// Seconds since 1970.
    pub(crate) pulled_at: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Index {
    version: u32,
    pub(crate) images: Vec<IndexEntry>,
}

/// The index under its lock.
pub(crate) struct LockedIndex {
    pub(crate) index: Index,
    _lock: File,
}

impl LockedIndex {
    fn write(&mut self, store: &ImageStore) -> Result<(), Error> {
        self.index.version = VERSION;
        let path = store.index_path();
        let failed = |error: io::Error| Error::storage(format!("write {}", path.display()), error);
        let bytes = serde_json::to_vec_pretty(&self.index).map_err(|error| failed(error.into()))?;
        boxlite_durable::sweep(&store.dir);
        boxlite_durable::write(&path, &bytes, 0o600, Durability::Flushed).map_err(failed)
    }
}

impl ImageStore {
    /// All images, in the order of their references.
    pub(crate) async fn entries(&self) -> Result<Vec<IndexEntry>, Error> {
        let store = self.clone();
        blocking(move || Ok(store.load()?.images)).await
    }

    /// What `reference` meant for `platform`.
    pub(crate) async fn entry(
        &self,
        reference: &str,
        platform: &Platform,
    ) -> Result<Option<IndexEntry>, Error> {
        let entries = self.entries().await?;
        Ok(entries.into_iter().find(|entry| entry.reference == reference && entry.platform == *platform))
    }

    /// Remembers images.
    pub(crate) async fn remember(&self, entries: Vec<IndexEntry>) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        self.change(move |images| {
            let new: HashSet<_> = entries.iter().map(|entry| (&entry.reference, &entry.platform)).collect();
            images.retain(|other| !new.contains(&(&other.reference, &other.platform)));
            images.extend(entries);
            images.sort_by(|a, b| (&a.reference, &a.platform).cmp(&(&b.reference, &b.platform)));
        })
        .await
    }

    /// Forgets a reference, and returns what it meant.
    pub(crate) async fn forget(&self, reference: String) -> Result<Vec<IndexEntry>, Error> {
        self.change(move |images| images.extract_if(.., |entry| entry.reference == reference).collect()).await
    }

    /// Changes the index while no other caller does, in this process or another.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Vec<IndexEntry>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.clone();
        blocking(move || {
            let mut locked = store.lock()?;
            let result = change(&mut locked.index.images);
            locked.write(&store)?;
            Ok(result)
        })
        .await
    }

    /// Locks the index and reads it. The lock is one between processes, and ends with its holder. Blocks.
    pub(crate) fn lock(&self) -> Result<LockedIndex, Error> {
        let path = self.index_path().with_extension("lock");
        let failed = |error| Error::storage(format!("lock {}", path.display()), error);
        let begun = Instant::now();
        let lock = loop {
            match boxlite_durable::lock(&path).map_err(failed)? {
                Some(lock) => break lock,
                // A process that is stopped keeps its locks.
                None if begun.elapsed() < LOCK => thread::sleep(POLL),
                None => return Err(failed(io::ErrorKind::WouldBlock.into())),
            }
        };
        Ok(LockedIndex { index: self.load()?, _lock: lock })
    }

    /// An index that can't be understood counts as empty: it only caches what registries know.
    pub(crate) fn load(&self) -> Result<Index, Error> {
        let path = self.index_path();
        let bytes = if_there(fs::read(&path))
            .map_err(|error| Error::storage(format!("read {}", path.display()), error))?;
        let Some(bytes) = bytes else { return Ok(Index::default()) };
        match serde_json::from_slice::<Index>(&bytes) {
            Ok(index) if index.version == VERSION => Ok(index),
            Ok(Index { version, .. }) => {
                tracing::warn!(path = %path.display(), version, "image index of another version ignored");
                Ok(Index::default())
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "damaged image index ignored");
                Ok(Index::default())
            }
        }
    }
}

pub(crate) fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
