//! File system work off the async threads. Called wherever this crate touches the disk.

use boxlite_error::ErrorCode;
use boxlite_unpack::Cancel;

use crate::error::Error;

/// Runs `work` on tokio's blocking pool. It runs to its end even if the caller is dropped meanwhile, so it is short.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Error> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(Error::new(ErrorCode::ImageCancelled, "access image store").because(error)),
    }
}

/// Runs `work` that may take long on tokio's blocking pool. It has to check the flag, which is set when the caller is dropped.
pub(crate) async fn long_blocking<T, F>(work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce(&Cancel) -> Result<T, Error> + Send + 'static,
{
    let cancel = Cancel::default();
    let _dropped = cancel.on_drop();
    blocking(move || work(&cancel)).await
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn long_work_ends_when_its_caller_is_dropped() {
        let (begun, waiting) = channel();
        let (ended, end) = channel();
        let caller = tokio::spawn(long_blocking(move |cancel| {
            begun.send(()).unwrap();
            let result = std::io::copy(
                &mut boxlite_unpack::Cancellable::new(std::io::repeat(0), cancel),
                &mut std::io::sink(),
            );
            let error = Error::storage("read", result.unwrap_err());
            ended.send(error.code()).unwrap();
            Err::<(), _>(error)
        }));
        tokio::task::spawn_blocking(move || waiting.recv().unwrap()).await.unwrap();
        caller.abort();
        let kind = tokio::task::spawn_blocking(move || end.recv().unwrap()).await.unwrap();
        assert_eq!(kind, ErrorCode::ImageCancelled);
    }
}
