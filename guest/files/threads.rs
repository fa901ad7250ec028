//! `Threads`: the threads that run the operations on files. Created by `pool`.
//!
//! Threads are started when needed, and all but the last end when idle, so that a box at its kernel's limit of threads can still be
//! served. If there is none and none can be started, the operation fails with the kernel's error, while tokio's own pool would panic.

use std::{collections::VecDeque, io, sync::Arc, thread, time::Duration};

use parking_lot::{Condvar, Mutex};

/// Most threads, and so most operations at the same time. Further ones wait.
const MOST: usize = 64;
/// How long a thread waits for a job before it ends.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// The threads. When this is dropped, they end after their current jobs, and jobs that wait are dropped.
pub(super) struct Threads(Arc<Queue>);

struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    /// Run by each thread before its first job.
    enter: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Threads {
    pub(super) fn new(enter: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(Queue { state: Mutex::default(), wake: Condvar::new(), enter: Box::new(enter) }))
    }

    /// Runs `job` on a thread.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.0.state.lock();
        if state.idle > state.jobs.len() {
            state.jobs.push_back(Box::new(job));
            self.0.wake.notify_one();
            return Ok(());
        }
        if state.threads < MOST {
            let queue = Arc::clone(&self.0);
            let started = thread::Builder::new().name(String::from("files")).spawn(move || queue.work());
            match started {
                Ok(_) => state.threads += 1,
                // The other threads do it later.
                Err(_) if state.threads > 0 => {}
                Err(error) => return Err(error),
            }
        }
        state.jobs.push_back(Box::new(job));
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.closed = true;
        state.jobs.clear();
        self.0.wake.notify_all();
    }
}

impl Queue {
    fn work(&self) {
        (self.enter)();
        while let Some(job) = self.next() {
            job();
        }
    }

    /// The next job, or `None` if the thread is to end.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                state.threads -= 1;
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state.idle += 1;
            let waited = self.wake.wait_for(&mut state, IDLE);
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() && state.threads > 1 {
                state.threads -= 1;
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn operations_run_side_by_side_and_more_than_there_are_threads_wait() {
        let threads = Threads::new(|| {});
        let (done, all) = mpsc::channel();
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for _ in 0..MOST + 10 {
            let (done, gate) = (done.clone(), Arc::clone(&gate));
            threads
                .run(move || {
                    let _ = gate.lock().recv();
                    let _ = done.send(());
                })
                .expect("threads start");
        }
        assert_eq!(threads.0.state.lock().threads, MOST);
        assert!(all.try_recv().is_err());
        drop(release);
        drop(done);
        assert_eq!(all.iter().count(), MOST + 10);
    }

    #[test]
    fn jobs_that_wait_are_dropped_with_the_threads() {
        let threads = Threads::new(|| {});
        let (kept, dropped) = mpsc::channel::<()>();
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for _ in 0..=MOST {
            let (kept, gate) = (kept.clone(), Arc::clone(&gate));
            threads
                .run(move || {
                    let _ = gate.lock().recv();
                    drop(kept);
                })
                .expect("threads start");
        }
        drop(kept);
        drop(threads);
        drop(release);
        assert!(dropped.recv().is_err());
    }
}
