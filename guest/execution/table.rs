//! The executions of this box, by the ids that the host chose.
//!
//! Called by the Execution service. Everything in here has a bound.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak},
};

use boxlite_proto::v1::{ExecRequest, RunningExecution, StartError};
use boxlite_wire::limits;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use super::{
    about::About,
    attachment::Attachment,
    env::Defaults,
    kept::Kept,
    oom::OomEvents,
    process::{Execution, Phase},
    purpose::Purpose,
    reader::Reader,
    start::start,
};
use crate::{Error, Kind, Result, activity::Activity, zygote::Zygote};

/// Most executions that run at once; pids.max is usually lower.
const RUNNING: usize = 8192;

/// The main process's id.
pub const MAIN: &str = "main";

/// Called with the id of an execution that the kernel ended for want of memory; it is empty where that is not known.
type OnOom = Box<dyn Fn(&str) + Send + Sync>;

/// The table. Clones share it.
#[derive(Clone)]
pub struct Executions(Arc<Shared>);

impl fmt::Debug for Executions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executions").field("entries", &self.0.entries).finish_non_exhaustive()
    }
}

struct Shared {
    zygote: Zygote,
    activity: Activity,
    on_oom: OnceLock<OnOom>,
    container: OnceLock<(RwLock<Defaults>, Option<OomEvents>)>,
    arrived: Notify,
    entries: Mutex<Entries>,
}

#[derive(Debug)]
struct Entries {
    by_id: HashMap<String, Arc<Execution>>,
    last_serial: u64,
    asked: u64,
    /// The oldest first, like the two below, each with the moment from which on it is forgotten.
    finished: VecDeque<(Instant, Arc<Execution>)>,
    /// Whether a task waits for such a moment.
    forgetting: bool,
    unclaimed: Kept,
    delivered: Kept,
}

impl Executions {
    /// An empty table; executions can start once the container is [`Executions::open`].
    pub fn new(zygote: Zygote, activity: Activity) -> Self {
        Self(Arc::new(Shared {
            zygote,
            activity,
            on_oom: OnceLock::new(),
            container: OnceLock::new(),
            arrived: Notify::new(),
            entries: Mutex::new(Entries::new()),
        }))
    }

    /// Notes the container's defaults. False: that was done before.
    pub fn open(&self, defaults: Defaults, oom: Option<OomEvents>) -> bool {
        self.0.container.set((RwLock::new(defaults), oom)).is_ok()
    }

    /// Executions that begin from now on have this environment. Without a container there is nothing to change.
    pub fn set_env(&self, env: Vec<String>) {
        if let Some((defaults, _)) = self.0.container.get() {
            defaults.write().unwrap_or_else(PoisonError::into_inner).set_env(env);
        }
    }

    /// Whether the container is there.
    pub fn is_open(&self) -> bool {
        self.0.container.get().is_some()
    }

    /// Starts a process; answers its execution, or why there is none.
    pub async fn run(
        &self,
        request: ExecRequest,
        purpose: Purpose,
    ) -> Result<Result<Arc<Execution>, StartError>> {
        let (execution, request) = self.admit(request, purpose)?;
        let started = self.start(&execution, request).await?;
        Ok(started.map(|_| execution))
    }

    /// Starts a process whose reader is there from the beginning: however late that comes to read, and however many
    /// others end until then, its output is kept.
    pub async fn run_attached(&self, request: ExecRequest) -> Result<Result<(u32, Attachment), StartError>> {
        let (execution, request) = self.admit(request, Purpose::Asked)?;
        let reader = Reader::new(self.clone(), Arc::clone(&execution), Some([0; 2]));
        let pid = match self.start(&execution, request).await? {
            Ok(pid) => pid,
            Err(error) => return Ok(Err(error)),
        };
        let attachment = Attachment::of(reader, [Some(0); 2]).await?;
        Ok(Ok((pid, attachment)))
    }

    /// Checks and completes `request`, and gives it an execution that is about to start.
    fn admit(&self, mut request: ExecRequest, purpose: Purpose) -> Result<(Arc<Execution>, ExecRequest)> {
        let id = checked_id(&request.execution_id)?.to_owned();
        let Some((defaults, _)) = self.0.container.get() else {
            return Err(Error::new(Kind::State, format!("exec {id}: the container is not initialised")));
        };
        defaults.read().unwrap_or_else(PoisonError::into_inner).complete(&mut request);
        let execution = self.insert(id, purpose, About::new(&request))?;
        Ok((execution, request))
    }

    async fn start(
        &self,
        execution: &Arc<Execution>,
        request: ExecRequest,
    ) -> Result<Result<u32, StartError>> {
        let task = tokio::spawn(start(self.clone(), Arc::clone(execution), request));
        task.await.map_err(|_| Error::new(Kind::State, "exec: the agent is ending"))?
    }

    /// How many the host has asked for.
    pub fn asked(&self) -> u64 {
        self.entries().asked
    }

    /// Calls `told` whenever the kernel has ended a process of the container for want of memory. Once only.
    pub fn on_oom(&self, told: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.0.on_oom.set(Box::new(told));
    }

    /// Finds an execution whose `Exec` has arrived or arrives within [`limits::EXEC_GRACE`].
    pub async fn find(&self, id: &str) -> Result<Arc<Execution>> {
        checked_id(id)?;
        let found = timeout(limits::EXEC_GRACE, async {
            loop {
                let arrived = self.0.arrived.notified();
                tokio::pin!(arrived);
                // From here on an arrival is not missed, even before the await.
                arrived.as_mut().enable();
                if let Some(found) = self.get(id) {
                    return found;
                }
                arrived.await;
            }
        });
        found.await.map_err(|_| Error::new(Kind::NotFound, format!("execution {id}: unknown")))
    }

    /// Finds an execution that is known now.
    pub fn get(&self, id: &str) -> Option<Arc<Execution>> {
        self.entries().by_id.get(id).cloned()
    }

    /// The execution of this id, if it runs or is remembered.
    pub fn known(&self, id: &str) -> Option<RunningExecution> {
        let execution = self.get(id)?;
        let there = matches!(*execution.phase.borrow(), Phase::Running | Phase::Ended(_));
        there.then(|| execution.about.tell(id))
    }

    /// Those that run, the oldest first, [`limits::LIST`] at most.
    pub fn list(&self) -> Vec<RunningExecution> {
        let entries = self.entries();
        let mut running: Vec<_> =
            entries.by_id.values().filter(|execution| *execution.phase.borrow() == Phase::Running).collect();
        running.sort_unstable_by_key(|execution| execution.serial);
        running.into_iter().take(limits::LIST).map(|execution| execution.about.tell(execution.id())).collect()
    }

    fn insert(&self, id: String, purpose: Purpose, about: About) -> Result<Arc<Execution>> {
        let mut entries = self.entries();
        if let Purpose::Check = purpose {
            entries.last_serial += 1;
            return Ok(Execution::new(id, entries.last_serial, purpose, about, self.0.zygote.clone()));
        }
        if let Purpose::Main(_) = purpose {
            entries.forget_main();
        }
        if entries.by_id.contains_key(&id) {
            return Err(Error::new(Kind::Exists, format!("execution {id}: exists already")));
        }
        if entries.by_id.len() - entries.finished.len() >= RUNNING {
            return Err(Error::new(
                Kind::Exhausted,
                format!("execution {id}: {RUNNING} are running already"),
            ));
        }
        entries.last_serial += 1;
        if let Purpose::Asked = purpose {
            entries.asked += 1;
            self.0.activity.begin();
        }
        let execution =
            Execution::new(id.clone(), entries.last_serial, purpose, about, self.0.zygote.clone());
        entries.by_id.insert(id, Arc::clone(&execution));
        drop(entries);
        self.0.arrived.notify_waiters();
        Ok(execution)
    }

    /// Notes an execution's end; the oldest ended ones are forgotten.
    pub(super) fn retire(&self, execution: &Arc<Execution>) {
        match execution.purpose {
            Purpose::Check => return,
            Purpose::Asked => self.0.activity.end(),
            Purpose::Main(_) => {}
        }
        let unstarted = matches!(*execution.phase.borrow(), Phase::NotStarted(_));
        let mut entries = self.entries();
        entries.finished.push_back((Instant::now() + limits::ENDED, Arc::clone(execution)));
        if entries.finished.len() > limits::FINISHED_EXECUTIONS {
            entries.forget_oldest();
        }
        if !unstarted && !execution.is_attached() {
            entries.keep_unclaimed(execution);
        }
        if !entries.forgetting {
            entries.forgetting = true;
            tokio::spawn(forget(Arc::downgrade(&self.0)));
        }
    }

    /// Forgets those whose time has come. Answers when the next one's comes.
    fn forget_old(&self) -> Option<Instant> {
        let mut entries = self.entries();
        while entries.finished.front().is_some_and(|(when, _)| *when <= Instant::now()) {
            entries.forget_oldest();
        }
        let next = entries.finished.front().map(|(when, _)| *when);
        entries.forgetting = next.is_some();
        next
    }

    /// Notes that a reader is going away (it still counts as one).
    pub(super) fn left(&self, execution: &Arc<Execution>) {
        if matches!(execution.purpose, Purpose::Check) {
            return;
        }
        if execution.has_ended() && !execution.is_delivered() && execution.readers.count() <= 1 {
            let mut entries = self.entries();
            if entries.knows(execution) {
                entries.keep_unclaimed(execution);
            }
        }
    }

    /// Notes that an execution's exit was handed out; the oldest such outputs are forgotten.
    pub(super) fn delivered(&self, execution: &Arc<Execution>) {
        if matches!(execution.purpose, Purpose::Check) {
            return;
        }
        if execution.streams().iter().all(|stream| stream.replay.end() == 0) {
            return;
        }
        let mut entries = self.entries();
        if entries.knows(execution) {
            entries.unclaimed.release(execution);
            entries.delivered.keep(execution);
        }
    }

    /// Processes of the container that the OOM killer has ended so far.
    pub(super) fn oom_kills(&self) -> u64 {
        self.0.container.get().and_then(|(_, oom)| oom.as_ref()).map_or(0, OomEvents::kills)
    }

    /// Tells of OOM kills that nobody was told of yet, as those of the execution `id`.
    pub fn tell_oom(&self, id: &str) {
        let oom = self.0.container.get().and_then(|(_, oom)| oom.as_ref());
        if oom.is_some_and(OomEvents::claim)
            && let Some(told) = self.0.on_oom.get()
        {
            told(id);
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn new() -> Self {
        Self {
            by_id: HashMap::new(),
            last_serial: 0,
            asked: 0,
            finished: VecDeque::new(),
            forgetting: false,
            unclaimed: Kept::new(limits::UNCLAIMED),
            delivered: Kept::new(limits::DELIVERED),
        }
    }

    /// False: it was forgotten while somebody read it, and goes with its reader.
    fn knows(&self, execution: &Arc<Execution>) -> bool {
        self.by_id.get(execution.id()).is_some_and(|known| Arc::ptr_eq(known, execution))
    }

    /// Makes room for the main process's next run, if the last has ended.
    fn forget_main(&mut self) {
        if let Some(index) = self.finished.iter().position(|(_, execution)| execution.id() == MAIN)
            && let Some((_, main)) = self.finished.remove(index)
        {
            self.forget(&main);
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, oldest)) = self.finished.pop_front() else { return };
        self.forget(&oldest);
        // Whoever reads it now goes on.
        if !oldest.is_attached() {
            oldest.forget_output();
        }
    }

    fn forget(&mut self, execution: &Arc<Execution>) {
        self.by_id.remove(execution.id());
        self.unclaimed.release(execution);
        self.delivered.release(execution);
    }

    /// Keeps what nobody has fetched. It is read now, so that it costs no more than its bytes.
    fn keep_unclaimed(&mut self, execution: &Arc<Execution>) {
        execution.take_in();
        self.unclaimed.keep(execution);
    }
}

/// Forgets executions when their time has come, until there is none to forget.
async fn forget(table: Weak<Shared>) {
    while let Some(next) = table.upgrade().and_then(|shared| Executions(shared).forget_old()) {
        sleep_until(next).await;
    }
}

fn checked_id(id: &str) -> Result<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.is_empty() || id.len() > limits::EXECUTION_ID || !id.bytes().all(plain) {
        let most = limits::EXECUTION_ID;
        return Err(Error::new(
            Kind::Invalid,
            format!("execution id {id:?}: want 1 to {most} of [A-Za-z0-9_-]"),
        ));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_and_bounded() {
        assert!(checked_id("a-B_9").is_ok());
        for id in ["", "a b", "a/b", "ä", &"x".repeat(limits::EXECUTION_ID + 1)] {
            let refused = checked_id(id).expect_err("not plain").to_string();
            assert!(refused.contains("want 1 to"), "{id:?}: {refused}");
        }
    }
}
