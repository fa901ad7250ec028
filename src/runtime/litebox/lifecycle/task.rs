//! `Task`: a change of a box that runs to its end, whether or not anybody waits for it, and whose result any number of callers can
//! await. Used by `startup` and `shutdown`.

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::task::AbortHandle;

use crate::home::open_home::OpenHome;

/// A change under way. Clones are the same one.
#[derive(Debug, Clone)]
pub(in crate::litebox) struct Task<T: Clone> {
    result: Shared<BoxFuture<'static, BoxliteResult<T>>>,
    abort: AbortHandle,
}

impl<T: Clone + Send + Sync + 'static> Task<T> {
    /// Begins `change`.
    pub(in crate::litebox) fn spawn(
        home: &OpenHome,
        change: impl Future<Output = BoxliteResult<T>> + Send + 'static,
    ) -> Self {
        let task = home.spawn(change);
        let abort = task.abort_handle();
        let result = async move {
            task.await.unwrap_or_else(|error| {
                let message = "change the state of a box";
                Err(if error.is_cancelled() {
                    BoxliteError::new(ErrorCode::RuntimeClosed, format!("{message}: the runtime was closed"))
                } else {
                    BoxliteError::new(ErrorCode::Internal, message).caused_by(error)
                })
            })
        };
        Self { result: result.boxed().shared(), abort }
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// What the change fails with; `RUNTIME_CLOSED` if it was aborted.
    pub(in crate::litebox) async fn result(self) -> BoxliteResult<T> {
        self.result.await
    }

    /// Drops the change, and all that it holds, at its next await.
    pub(in crate::litebox) fn abort(&self) {
        self.abort.abort();
    }
}
