//! Runs a future of the runtime and settles a JavaScript promise with its result.
//!
//! Called by every asynchronous method of this crate. A pending promise keeps Node alive, as any does; the threads of `pool` don't.

use std::{any::Any, future::Future, panic::AssertUnwindSafe};

use boxlite_runtime::{BoxliteError, BoxliteResult, ErrorCode};
use futures::FutureExt;
use napi::{
    Env, Result,
    bindgen_prelude::{Object, ToNapiValue},
};

use crate::{environment::Environment, outcome::Outcome, pool::pool};

/// Starts `future` and returns the promise of its outcome. A panic in it becomes an `INTERNAL` error.
pub(crate) fn promise<T, F>(env: &Env, future: F) -> Result<Object<'_>>
where
    T: ToNapiValue + Send + 'static,
    F: Future<Output = BoxliteResult<T>> + Send + 'static,
{
    let (deferred, promise) = env.create_deferred()?;
    // Box it, since some futures are kilobytes and each layer would move them once more.
    let future = Box::pin(future);
    match pool() {
        Ok(pool) => {
            pool.spawn(async move {
                let outcome = AssertUnwindSafe(future)
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|panic| Err(panicked(&*panic)));
                deferred.resolve(with(outcome));
            });
        }
        Err(error) => {
            let error =
                BoxliteError::new(ErrorCode::Internal, "start the threads of boxlite").caused_by(error);
            deferred.resolve(with(Err(error)));
        }
    }
    Ok(promise)
}

/// Like `promise`, but cancels `future` when the calling environment ends. For reading and writing.
pub(crate) fn promise_while_there<T, F>(env: &Env, future: F) -> Result<Object<'_>>
where
    T: ToNapiValue + Send + 'static,
    F: Future<Output = BoxliteResult<T>> + Send + 'static,
{
    let environment = Environment::of(env)?;
    promise(env, async move {
        tokio::select! {
            biased;
            outcome = Box::pin(future) => outcome,
            () = environment.over() => {
                Err(BoxliteError::new(ErrorCode::Aborted, "the thread that asked for it has ended"))
            }
        }
    })
}

/// What Node calls on its own thread to get the value.
fn with<T: ToNapiValue>(outcome: BoxliteResult<T>) -> impl FnOnce(Env) -> Result<Outcome<T>> {
    move |_| Ok(Outcome(outcome))
}

fn panicked(panic: &(dyn Any + Send)) -> BoxliteError {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    BoxliteError::new(ErrorCode::Internal, format!("panic: {}", text.unwrap_or("of unknown kind")))
        .hint("this is a bug in boxlite: please report it with the lines on standard error")
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn a_panic_becomes_an_internal_error_with_its_text() {
        let panic = catch_unwind(|| panic!("index {} of {}", 3, 2)).unwrap_err();
        let error = panicked(&*panic);
        assert_eq!(error.code(), ErrorCode::Internal);
        assert_eq!(error.to_string(), "panic: index 3 of 2");
        assert!(error.hint_text().is_some());
    }
}
