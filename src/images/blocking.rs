//! File system work off the async threads. Called wherever this crate touches the disk.

use crate::{Error, ErrorKind};

/// Runs `work` on tokio's blocking pool. It runs to its end even if the caller is dropped meanwhile.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Error> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(Error::new(ErrorKind::Cancelled, "access image store").because(error)),
    }
}
