//! `Threads`: what runs the operations on files. Made by `pool`.
//!
//! Threads are started when needed and end when idle, but for the last: a box that is at its kernel's limit of threads must still be helped.
//! Where none can be started and none is there, the operation fails with the kernel's reason. tokio's own pool panics then, and the
//! agent with it.

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Most threads, which is most operations at the same time; further ones wait.
const MOST: usize = 64;
/// How long a thread waits for something to do before it ends.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// See the module. When it is dropped, threads end with what they do; what waits is dropped.
#[derive(Debug)]
pub(super) struct Threads(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// What each thread does first.
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
        Self(Arc::new(Shared { state: Mutex::default(), wake: Condvar::new(), enter: Box::new(enter) }))
    }

    /// Lets a thread do `job`.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.idle > state.jobs.len() {
            state.jobs.push_back(Box::new(job));
            self.0.wake.notify_one();
            return Ok(());
        }
        if state.threads < MOST {
            let shared = Arc::clone(&self.0);
            let started = thread::Builder::new().name(String::from("files")).spawn(move || shared.work());
            match started {
                Ok(_) => state.threads += 1,
                // Those that are there do it when they have the time.
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
        let mut state = self.0.lock();
        state.closed = true;
        state.jobs.clear();
        self.0.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        (self.enter)();
        while let Some(job) = self.next() {
            job();
        }
    }

    /// What is to be done next; nothing when the thread is to end.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.closed {
                state.threads -= 1;
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state.idle += 1;
            let (woken, waited) = self.wake.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() && state.threads > 1 {
                state.threads -= 1;
                return None;
            }
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
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
                    let _ = gate.lock().map(|gate| gate.recv());
                    let _ = done.send(());
                })
                .expect("threads start");
        }
        assert_eq!(threads.0.lock().threads, MOST);
        assert!(all.try_recv().is_err());
        drop(release);
        drop(done);
        assert_eq!(all.iter().count(), MOST + 10);
    }

    #[test]
    fn what_waits_is_dropped_with_the_threads() {
        let threads = Threads::new(|| {});
        let (kept, dropped) = mpsc::channel::<()>();
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for _ in 0..=MOST {
            let (kept, gate) = (kept.clone(), Arc::clone(&gate));
            threads
                .run(move || {
                    let _ = gate.lock().map(|gate| gate.recv());
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
