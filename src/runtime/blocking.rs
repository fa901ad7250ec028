//! `blocking`: work that waits for a disk or a process, off the threads that everything else shares. Called by every room
//! of the runtime that reads or writes files.

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};

/// Runs `work` on a thread that may block. A panic in it is an `INTERNAL` error that names `operation`.
pub(crate) async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> BoxliteResult<T> + Send + 'static,
) -> BoxliteResult<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| BoxliteError::new(ErrorCode::Internal, operation).caused_by(panic))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_that_says_in_what() {
        let error = blocking::<()>("count the boxes", || panic!("no fingers")).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Internal);
        assert!(error.to_string().contains("count the boxes"), "{error}");
    }
}
