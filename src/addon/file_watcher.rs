//! `NativeWatcher`: a path that is being watched. Made by `NativeFiles::watch`, wrapped by `lib/watch.ts`.

use boxlite_runtime::{FileChange, FileStream};
use napi_derive::napi;

use crate::{
    answer::{Answer, answer_while_there},
    file_path::{Name, name_of},
};

/// A path that is being watched.
#[napi]
pub struct NativeWatcher {
    changes: FileStream<Vec<FileChange>>,
    raw: bool,
}

impl NativeWatcher {
    pub(crate) fn new(changes: FileStream<Vec<FileChange>>, raw: bool) -> Self {
        Self { changes, raw }
    }
}

/// What changed.
#[napi(object, object_from_js = false)]
pub struct Change {
    /// A name came or went; otherwise contents or attributes changed.
    pub renamed: bool,
    /// Below the watched directory.
    pub name: Name,
}

#[napi]
impl NativeWatcher {
    /// What changed; waits for it. `null` once the watch is over.
    #[napi]
    pub fn next(&self) -> Answer {
        let raw = self.raw;
        let named =
            move |change: FileChange| Change { renamed: change.renamed, name: name_of(change.path, raw) };
        answer_while_there(&self.changes, async move |changes| {
            Ok(changes.next().await?.map(|batch| batch.into_iter().map(named).collect::<Vec<_>>()))
        })
    }

    /// Ends the watch.
    #[napi]
    pub fn close(&self) {
        self.changes.close();
    }
}
