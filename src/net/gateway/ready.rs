//! Which connections have something to do. Each has a waker of its own that puts its number into one list and wakes the loop, so that a turn
//! of the loop costs only what happened.

use std::{
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::AcqRel},
    },
    task::{Wake, Waker},
};

/// The list. It may be filled from any thread.
#[derive(Debug, Default)]
pub(super) struct Ready {
    numbers: Mutex<Vec<usize>>,
    task: Mutex<Option<Waker>>,
}

impl Ready {
    /// Sets who is woken: the task of the loop.
    pub(super) fn set_task(&self, waker: &Waker) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }

    /// Moves the numbers into `into`, which is empty.
    pub(super) fn take(&self, into: &mut Vec<usize>) {
        mem::swap(&mut *self.numbers.lock().unwrap_or_else(PoisonError::into_inner), into);
    }

    /// Wakes the loop.
    pub(super) fn wake(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(task) = task {
            task.wake();
        }
    }

    fn push(&self, number: usize) {
        let first = {
            let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
            numbers.push(number);
            numbers.len() == 1
        };
        if first {
            self.wake();
        }
    }
}

/// The waker of one connection.
#[derive(Debug)]
pub(super) struct Signal {
    number: usize,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Signal {
    /// A waker for the connection with this number.
    pub(super) fn new(number: usize, ready: &Arc<Ready>) -> Arc<Self> {
        Arc::new(Self { number, queued: AtomicBool::new(false), ready: Arc::clone(ready) })
    }

    /// Says that the connection is to be served in this turn. Returns whether it was not to be served before.
    pub(super) fn mark(&self) -> bool {
        !self.queued.swap(true, AcqRel)
    }

    /// Says that the connection is being served now; what happens from here on queues it again.
    pub(super) fn clear(&self) {
        self.queued.swap(false, AcqRel);
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.mark() {
            self.ready.push(self.number);
        }
    }
}
