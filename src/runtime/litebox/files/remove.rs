//! `Files::remove`, which tries again while the removal may still succeed.

use std::{path::Path, time::Duration};

use boxlite_error::{BoxliteError, BoxliteResult};
use boxlite_portal::FileCall;
use nix::errno::Errno;
use tokio::time::sleep;

use crate::{
    in_context::in_context,
    litebox::files::verbs::{Files, errno},
};

/// How to remove a file or a tree.
#[derive(Debug, Clone, Copy)]
pub struct RemoveOptions {
    /// Remove a directory with all that is in it. Default: no.
    pub recursive: bool,
    /// It need not exist. Default: no.
    pub force: bool,
    /// With `recursive`, how often to begin again where something is busy or is being filled. Default: 0.
    pub max_retries: u32,
    /// How long to wait before the first retry; before the second it is twice as long, and so on. Default: 100 ms.
    pub retry_delay: Duration,
}

impl Default for RemoveOptions {
    fn default() -> Self {
        Self { recursive: false, force: false, max_retries: 0, retry_delay: Duration::from_millis(100) }
    }
}

impl Files {
    /// Removes a file, or a tree.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `rm`, with the refusal `ERR_FS_EISDIR` for a directory that is not to be removed with all that is in it.
    pub async fn remove(&self, path: impl AsRef<Path>, options: RemoveOptions) -> BoxliteResult<()> {
        let RemoveOptions { recursive, force, max_retries, retry_delay } = options;
        let mut tries = 0;
        loop {
            match self.call(FileCall::remove(path.as_ref(), recursive, force)).await {
                Err(error) if recursive && tries < max_retries && may_pass(&error) => tries += 1,
                done => return done,
            }
            in_context(&self.core.home.handle, async { sleep(retry_delay.saturating_mul(tries)).await })
                .await;
        }
    }
}

/// Whether a removal may succeed when it is tried again.
fn may_pass(error: &BoxliteError) -> bool {
    use Errno::{EBUSY, EMFILE, ENFILE, ENOTEMPTY, EPERM};
    matches!(errno(error), Some(EBUSY | EMFILE | ENFILE | ENOTEMPTY | EPERM))
}
