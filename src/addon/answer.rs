//! `Answer`: the promise of an asynchronous method, which settles with the `Outcome` of a future of the runtime.
//!
//! Returned by every asynchronous method of this crate. A pending promise keeps Node alive, as any does; the threads of `pool` don't.

use std::{any::Any, future::Future, panic::AssertUnwindSafe};

use boxlite_runtime::{BoxliteError, BoxliteResult, ErrorCode};
use futures::FutureExt;
use napi::{
    Env, Result,
    bindgen_prelude::{Object, ToNapiValue},
    sys,
};

use crate::{environment::Environment, outcome::Outcome, pool::pool};

/// A future that starts when Node gets its promise, which is as soon as the method returns.
pub struct Answer(Box<Start>);

/// Starts a future and returns its promise.
type Start = dyn FnOnce(&Env) -> Result<Object<'_>>;

/// The answer of `call`, which gets a clone of `handle`. A panic in it becomes an `INTERNAL` error.
pub(crate) fn answer<H, T, F>(handle: &H, call: impl FnOnce(H) -> F) -> Answer
where
    H: Clone,
    T: ToNapiValue + Send + 'static,
    F: Future<Output = BoxliteResult<T>> + Send + 'static,
{
    // Box it, since some futures are kilobytes and each layer would move them once more.
    let future = Box::pin(call(handle.clone()));
    Answer(Box::new(move |env| promise(env, future)))
}

/// Like `answer`, but cancels the future when the calling environment ends. For reading and writing.
pub(crate) fn answer_while_there<H, T, F>(handle: &H, call: impl FnOnce(H) -> F) -> Answer
where
    H: Clone,
    T: ToNapiValue + Send + 'static,
    F: Future<Output = BoxliteResult<T>> + Send + 'static,
{
    let future = Box::pin(call(handle.clone()));
    Answer(Box::new(move |env| {
        let environment = Environment::of(env)?;
        let while_there = async move {
            tokio::select! {
                biased;
                outcome = future => outcome,
                () = environment.over() => {
                    Err(BoxliteError::new(ErrorCode::Aborted, "the thread that asked for it has ended"))
                }
            }
        };
        promise(env, Box::pin(while_there))
    }))
}

impl ToNapiValue for Answer {
    unsafe fn to_napi_value(raw: sys::napi_env, Self(start): Self) -> Result<sys::napi_value> {
        let env = Env::from_raw(raw);
        // SAFETY: napi calls this with the environment of the current scope, in which the promise is made.
        unsafe { Object::to_napi_value(raw, start(&env)?) }
    }
}

/// Starts `future` on the pool and returns the promise of its outcome.
fn promise<T, F>(env: &Env, future: F) -> Result<Object<'_>>
where
    T: ToNapiValue + Send + 'static,
    F: Future<Output = BoxliteResult<T>> + Send + 'static,
{
    let (deferred, promise) = env.create_deferred()?;
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
