//! Runs a future of the runtime and settles a JavaScript promise with what comes of it.
//!
//! Called by every asynchronous method of this crate. Owns the one thread pool of the process, which starts with the first
//! call: loading the addon starts no thread. Idle threads never keep Node alive; a pending promise does, as in Node.

use std::{
    any::Any,
    future::Future,
    io,
    panic::AssertUnwindSafe,
    sync::{Mutex, OnceLock, PoisonError, RwLock},
    thread,
};

use boxlite_runtime::{BoxliteError, BoxliteResult, ErrorCode};
use futures::FutureExt;
use napi::{
    Env, Result,
    bindgen_prelude::{Object, ToNapiValue},
};
use tokio::runtime::{Builder, Runtime};

use crate::{environment::Environment, outcome::Outcome};

/// Threads for the runtime's tasks: they wait for sockets and shuffle bytes, so more would only take memory.
const MAX_THREADS: usize = 4;

/// Shared by all Node environments (worker threads) of this process, and never stopped: boxes outlive environments.
static POOL: OnceLock<Runtime> = OnceLock::new();

/// The pool; started if it is not. What keeps it from starting may have passed by the next call.
fn pool() -> io::Result<&'static Runtime> {
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(pool) = POOL.get() {
        return Ok(pool);
    }
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = POOL.get() {
        return Ok(pool);
    }
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    try_threads(2 * threads)?;
    let pool =
        Builder::new_multi_thread().worker_threads(threads).thread_name("boxlite").enable_all().build()?;
    Ok(POOL.get_or_init(|| pool))
}

/// Whether so many threads can be had. tokio panics when it can't start its own, which would end Node. Twice as many as it
/// starts: for a moment the kernel counts those that have ended.
fn try_threads(count: usize) -> io::Result<()> {
    let gate = RwLock::new(());
    thread::scope(|scope| {
        let _closed = gate.write();
        (0..count).try_for_each(|_| {
            let wait = || drop(gate.read());
            thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, wait).map(drop)
        })
    })
}

/// Starts `future` and returns the promise of its outcome. A panic in it becomes an `INTERNAL` error.
pub(crate) fn promise<T, F>(env: &Env, future: F) -> Result<Object<'_>>
where
    T: ToNapiValue + Send + 'static,
    F: Future<Output = BoxliteResult<T>> + Send + 'static,
{
    let (deferred, promise) = env.create_deferred()?;
    // Some are kilobytes, and each layer around them would move them once more.
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

/// The same of what is of no use without the environment that asked for it, and is given up when that ends: reading and writing.
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

/// Runs `future` in the background, if the pool was ever started.
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    if let Some(pool) = POOL.get() {
        pool.spawn(future);
    }
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
