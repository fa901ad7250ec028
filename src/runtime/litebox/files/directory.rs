//! `DirectoryReader`: a directory that is listed piece by piece, of any size. Made by `Files::open_directory`.

use std::sync::Arc;

use boxlite_error::{BoxliteError, BoxliteResult, FileFault};
use boxlite_portal::Listing;
use boxlite_proto::v1::DirectoryEntry;
use tokio::sync::{Mutex, Notify};

use crate::litebox::{files::verbs::explained, lifecycle::machine::Machine};

/// A directory that is being listed. Clones share it.
#[derive(Debug, Clone)]
pub struct DirectoryReader {
    machine: Arc<Machine>,
    closed: Arc<Notify>,
    state: Arc<Mutex<Listed>>,
}

#[derive(Debug)]
struct Listed {
    first: Option<Vec<DirectoryEntry>>,
    rest: Option<Listing>,
}

impl DirectoryReader {
    /// Takes the first entries, which say whether it is a directory at all.
    pub(in crate::litebox) async fn begin(
        machine: Arc<Machine>,
        mut listing: Listing,
    ) -> BoxliteResult<Self> {
        let first = explained(&machine, listing.next().await).await.map_err(as_opendir)?;
        let state = Arc::new(Mutex::new(Listed { first, rest: Some(listing) }));
        Ok(Self { machine, closed: Arc::default(), state })
    }

    /// The next entries; `None` at the end.
    pub async fn next(&self) -> BoxliteResult<Option<Vec<DirectoryEntry>>> {
        let mut state = self.state.lock().await;
        if let Some(first) = state.first.take() {
            return Ok(Some(first));
        }
        let Some(rest) = state.rest.as_mut() else { return Ok(None) };
        let next = tokio::select! {
            biased;
            () = self.closed.notified() => Ok(None),
            next = rest.next() => next,
        };
        if !matches!(next, Ok(Some(_))) {
            state.rest = None;
        }
        drop(state);
        explained(&self.machine, next).await
    }

    /// Lists no more.
    pub fn close(&self) {
        self.closed.notify_one();
        if let Ok(mut state) = self.state.try_lock() {
            (state.first, state.rest) = (None, None);
        }
    }
}

/// A failure to begin, by the name that Node has for it.
fn as_opendir(error: BoxliteError) -> BoxliteError {
    match error.file() {
        Some(fault) => BoxliteError::of_file(FileFault { syscall: "opendir".to_owned(), ..fault.clone() }),
        None => error,
    }
}
