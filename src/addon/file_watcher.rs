//! `NativeWatcher`: a path that is being watched. Made by `NativeFiles::watch`, wrapped by `lib/watch.ts`.

use boxlite_runtime::{FileChange, FileStream};
use napi::{Env, Result, bindgen_prelude::Object};
use napi_derive::napi;

use crate::{
    file_path::{Name, name_of},
    promise::promise_while_there,
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
    pub fn next<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (changes, raw) = (self.changes.clone(), self.raw);
        let named =
            move |change: FileChange| Change { renamed: change.renamed, name: name_of(change.path, raw) };
        promise_while_there(env, async move {
            Ok(changes.next().await?.map(|batch| batch.into_iter().map(named).collect::<Vec<_>>()))
        })
    }

    /// Ends the watch.
    #[napi]
    pub fn close(&self) {
        self.changes.close();
    }
}
