//! `in_context`: makes a future of tokio's run on any executor. Called where futures leave this crate: by the runtime, the handle
//! of a box, its executions, files, logs and figures.

use std::future::poll_fn;

use tokio::runtime::Handle;

/// Returns `future`, which enters the tokio runtime of `handle` whenever it is polled. Timers, sockets and tasks belong to that runtime
/// then, whichever executor the caller awaits it on.
pub(crate) fn in_context<F: Future>(handle: &Handle, future: F) -> impl Future<Output = F::Output> + use<F> {
    let handle = handle.clone();
    // On the heap: a future is moved into each that awaits it, and some have kilobytes.
    let mut future = Box::pin(future);
    poll_fn(move |context| {
        let _entered = handle.enter();
        future.as_mut().poll(context)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::executor::block_on;

    use super::*;

    #[test]
    fn timers_and_tasks_work_on_a_thread_without_tokio() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let entered = in_context(runtime.handle(), async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            tokio::spawn(async { 7 }).await.unwrap() + tokio::task::spawn_blocking(|| 1).await.unwrap()
        });
        assert_eq!(block_on(entered), 8);
        assert!(Handle::try_current().is_err());
    }
}
