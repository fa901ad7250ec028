//! `Files::watch`: what changes in a box.

use std::{path::Path, pin::pin};

use boxlite_error::BoxliteResult;
use boxlite_portal::FileChange;

use crate::{
    in_context::in_context,
    litebox::files::{stream::FileStream, verbs::Files},
};

impl Files {
    /// Watches a file, a directory, or with `recursive` a tree. The watch misses no change that a later call of this box makes, and no
    /// change that the box's processes make once this has resolved.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `watch`. The stream fails with `EOVERFLOW` if files change faster than they can be reported.
    pub fn watch<P: AsRef<Path>>(
        &self,
        path: P,
        recursive: bool,
    ) -> impl Future<Output = BoxliteResult<FileStream<Vec<FileChange>>>> + Send + use<P> {
        let pending = self.core.watches.begin();
        let (this, path) = (self.clone(), path.as_ref().to_owned());
        in_context(&self.core.home.handle, async move {
            let _pending = pending;
            let machine = this.core.machine(None).await?;
            let watching = this.interface(&machine);
            let changes = this.core.explained(&machine, pin!(watching.watch(&path, recursive))).await?;
            Ok(FileStream::new(machine, changes))
        })
    }
}
