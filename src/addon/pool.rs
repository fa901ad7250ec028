//! The one thread pool of the process: tokio's, on which the runtime's tasks run. `answer` starts it with the first call, so that
//! loading the addon starts no thread; `environment` runs its clean-up there. Its threads never keep Node alive.

use std::{
    future::Future,
    io,
    sync::{Mutex, OnceLock, PoisonError, RwLock},
    thread,
};

use tokio::runtime::{Builder, Runtime};

/// Threads for the runtime's tasks: they wait for sockets and shuffle bytes, so more would only take memory.
const MAX_THREADS: usize = 4;

/// Shared by all Node environments (worker threads) of this process, and never stopped: boxes outlive environments.
static POOL: OnceLock<Runtime> = OnceLock::new();

/// The pool, which the first call starts. After a failure the next call tries again.
pub(crate) fn pool() -> io::Result<&'static Runtime> {
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

/// Starts and ends `count` threads, since tokio panics if it can't start its own, which would end Node. Pass twice tokio's number:
/// the kernel still counts threads shortly after they have ended.
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

/// Runs `future` in the background, if the pool was ever started.
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    if let Some(pool) = POOL.get() {
        pool.spawn(future);
    }
}
