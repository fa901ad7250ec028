//! `index.json`: what each reference meant when it was last pulled. Called by `manager`.

use std::{
    fs, io,
    sync::PoisonError,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::{ImageStore, durable};
use crate::{Digest, Error, Platform, blocking::blocking};

const VERSION: u32 = 1;

/// One image that was pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IndexEntry {
    /// The normalised reference.
    pub(crate) reference: String,
    /// The platform that was asked for.
    pub(crate) platform: Platform,
    /// The manifest of that platform.
    pub(crate) digest: Digest,
    /// The layers' size as stored, in bytes.
    pub(crate) size: u64,
    /// Seconds since 1970.
    pub(crate) pulled_at: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Index {
    version: u32,
    images: Vec<IndexEntry>,
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

    /// Remembers an image.
    pub(crate) async fn remember(&self, entry: IndexEntry) -> Result<(), Error> {
        self.change(move |images| {
            images.retain(|other| other.reference != entry.reference || other.platform != entry.platform);
            images.push(entry);
            images.sort_by(|a, b| (&a.reference, &a.platform).cmp(&(&b.reference, &b.platform)));
        })
        .await
    }

    /// Forgets a reference; what it meant.
    pub(crate) async fn forget(&self, reference: String) -> Result<Vec<IndexEntry>, Error> {
        self.change(move |images| images.extract_if(.., |entry| entry.reference == reference).collect()).await
    }

    /// Forgets an image of one platform.
    pub(crate) async fn forget_one(&self, reference: String, platform: Platform) -> Result<(), Error> {
        self.change(move |images| {
            images.retain(|entry| entry.reference != reference || entry.platform != platform);
        })
        .await
    }

    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Vec<IndexEntry>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.clone();
        blocking(move || {
            let _guard = store.index.lock().unwrap_or_else(PoisonError::into_inner);
            let mut index = store.load()?;
            let result = change(&mut index.images);
            index.version = VERSION;
            let path = store.index_path();
            let failed = |error: io::Error| Error::storage(format!("write {}", path.display()), error);
            let bytes = serde_json::to_vec_pretty(&index).map_err(|error| failed(error.into()))?;
            durable::write(&path, &bytes).map_err(failed)?;
            Ok(result)
        })
        .await
    }

    /// An index that can't be understood counts as empty: it only caches what registries know.
    fn load(&self) -> Result<Index, Error> {
        let path = self.index_path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Index::default()),
            Err(error) => return Err(Error::storage(format!("read {}", path.display()), error)),
        };
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
