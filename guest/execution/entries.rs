//! The executions that run or are remembered, by id, and what is kept of those that have ended.
//!
//! Owned by `table`, which locks it. Everything in here has a bound.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use boxlite_wire::limits;
use tokio::time::Instant;

use super::{
    budget::Budget,
    drain,
    state::{Execution, Phase},
};
use crate::{Error, Kind, Result};

/// Most executions that run at once. The container's pids.max is usually lower.
const RUNNING: usize = 8192;

/// The main process's id.
pub const MAIN: &str = "main";

/// All entries of the table.
pub(super) struct Entries {
    by_id: HashMap<String, Arc<Execution>>,
    /// Those that have ended, the oldest first, each with the moment at which it is forgotten.
    ended: VecDeque<(Instant, Arc<Execution>)>,
    /// Whether a task calls [`Self::forget_due`] when the time of the oldest has come.
    forgetting: bool,
    /// Output that nobody has fetched.
    unclaimed: Budget,
    /// Output that was delivered and may have been lost on its way.
    delivered: Budget,
}

impl Entries {
    pub(super) fn new() -> Self {
        Self {
            by_id: HashMap::new(),
            ended: VecDeque::new(),
            forgetting: false,
            unclaimed: Budget::new(limits::UNCLAIMED),
            delivered: Budget::new(limits::DELIVERED),
        }
    }

    /// The execution of this id.
    pub(super) fn get(&self, id: &str) -> Option<&Arc<Execution>> {
        self.by_id.get(id)
    }

    /// Those that run, the oldest first.
    pub(super) fn running(&self) -> Vec<&Arc<Execution>> {
        let is_running = |execution: &&Arc<Execution>| *execution.phase.borrow() == Phase::Running;
        let mut running: Vec<_> = self.by_id.values().filter(is_running).collect();
        running.sort_unstable_by_key(|execution| execution.serial);
        running
    }

    /// Returns an error unless an execution can be added as `id`. The main process replaces its previous run.
    pub(super) fn check_free(&mut self, id: &str, is_main: bool) -> Result<()> {
        if is_main {
            self.forget_main();
        }
        if self.by_id.contains_key(id) {
            return Err(Error::new(Kind::Exists, format!("execution {id}: exists already")));
        }
        if self.by_id.len() - self.ended.len() >= RUNNING {
            let what = format!("execution {id}: {RUNNING} are running already");
            return Err(Error::new(Kind::Exhausted, what));
        }
        Ok(())
    }

    pub(super) fn add(&mut self, execution: &Arc<Execution>) {
        self.by_id.insert(execution.id().to_owned(), Arc::clone(execution));
    }

    /// Notes that `execution` has ended or could not be started. Beyond the bound, the oldest ended one is forgotten. Returns true
    /// if a task has to be started that calls [`Self::forget_due`].
    pub(super) fn note_end(&mut self, execution: &Arc<Execution>) -> bool {
        self.ended.push_back((Instant::now() + limits::ENDED, Arc::clone(execution)));
        if self.ended.len() > limits::FINISHED_EXECUTIONS {
            self.forget_oldest();
        }
        if execution.has_ended() && !execution.is_attached() {
            self.keep_unclaimed(execution);
        }
        !std::mem::replace(&mut self.forgetting, true)
    }

    /// Notes that a reader of `execution` is about to leave. It is still counted.
    pub(super) fn note_leaving_reader(&mut self, execution: &Arc<Execution>) {
        if self.contains(execution) {
            self.keep_unclaimed(execution);
        }
    }

    /// Notes that the output of `execution` was delivered.
    pub(super) fn note_delivery(&mut self, execution: &Arc<Execution>) {
        if self.contains(execution) {
            self.unclaimed.remove(execution);
            self.delivered.add(execution);
        }
    }

    /// Forgets those whose time has come. Returns when the next one's comes, if there is any.
    pub(super) fn forget_due(&mut self) -> Option<Instant> {
        while self.ended.front().is_some_and(|(when, _)| *when <= Instant::now()) {
            self.forget_oldest();
        }
        let next = self.ended.front().map(|(when, _)| *when);
        self.forgetting = next.is_some();
        next
    }

    /// Returns false for an execution that was forgotten while it was read. It goes with its reader.
    fn contains(&self, execution: &Arc<Execution>) -> bool {
        self.by_id.get(execution.id()).is_some_and(|known| Arc::ptr_eq(known, execution))
    }

    fn forget_main(&mut self) {
        if let Some(index) = self.ended.iter().position(|(_, execution)| execution.id() == MAIN)
            && let Some((_, main)) = self.ended.remove(index)
        {
            self.forget(&main);
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, oldest)) = self.ended.pop_front() else { return };
        self.forget(&oldest);
        // A reader that it has goes on.
        if !oldest.is_attached() {
            oldest.discard_output();
        }
    }

    fn forget(&mut self, execution: &Arc<Execution>) {
        self.by_id.remove(execution.id());
        self.unclaimed.remove(execution);
        self.delivered.remove(execution);
    }

    /// Keeps output that nobody has fetched. It is read now, so that it costs no more than its bytes.
    fn keep_unclaimed(&mut self, execution: &Arc<Execution>) {
        drain::take_rest(execution);
        self.unclaimed.add(execution);
    }
}
