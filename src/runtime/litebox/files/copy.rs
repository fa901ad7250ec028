//! Copies inside the box: `Files::copy_file`, `copy` and `copy_shallow`, each one call of the guest.

use std::path::Path;

use boxlite_error::BoxliteResult;
use boxlite_portal::{CopyOptions, FileCall};

use crate::litebox::files::verbs::Files;

impl Files {
    /// Copies one file with its mode. With `exclusive`, `to` must not exist.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `copyfile`.
    pub async fn copy_file(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        exclusive: bool,
    ) -> BoxliteResult<()> {
        self.call(FileCall::copy_file(from.as_ref(), to.as_ref(), exclusive)).await
    }

    /// Copies a file or a tree inside the box. Files and symlinks replace their like, and directories are merged.
    ///
    /// # Errors
    ///
    /// A `FileFault`, whose refusal (`ERR_FS_CP_EINVAL`) says what can't be copied.
    pub async fn copy(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        options: CopyOptions,
    ) -> BoxliteResult<()> {
        self.call(FileCall::copy(from.as_ref(), to.as_ref(), options)).await
    }

    /// Copies one level, for callers that choose what to copy: with no `names` only what is at `from`, otherwise what has those names
    /// in the directory `from`. Returns for each whether it is a directory that is to be filled.
    ///
    /// # Errors
    ///
    /// Those of [`copy`](Self::copy).
    pub async fn copy_shallow(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        names: &[String],
        options: CopyOptions,
    ) -> BoxliteResult<Vec<bool>> {
        self.call(FileCall::copy_shallow(from.as_ref(), to.as_ref(), names, options)).await
    }
}
