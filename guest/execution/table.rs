//! The table of the executions of this box, by the ids that the host chose, and what all of them share.
//!
//! Called by the Execution service, `supervision` and `start`. It decides, as the executions' [`Retention`], what is kept of
//! those that have ended.

use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{AtomicU64, Ordering},
};

use boxlite_proto::v1::{ExecRequest, ExecutionInfo};
use boxlite_wire::limits;
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::Notify,
    time::{sleep_until, timeout},
};

use super::{
    entries::Entries,
    env::Defaults,
    id,
    oom::OomEvents,
    purpose::Purpose,
    state::{Execution, Phase, Retention},
    summary::Summary,
};
use crate::{Error, Kind, Result, activity::Activity, zygote::Zygote};

/// Called with the id of an execution that the kernel ended for want of memory. It is empty where that is not known.
type OnOom = Box<dyn Fn(&str) + Send + Sync>;

/// The executions of the box. Clones share the table.
#[derive(Clone)]
pub struct Executions(Arc<Table>);

struct Table {
    this: Weak<Self>,
    zygote: Zygote,
    activity: Activity,
    on_oom: OnceLock<OnOom>,
    container: OnceLock<(RwLock<Defaults>, Option<OomEvents>)>,
    arrived: Notify,
    last_serial: AtomicU64,
    requested: AtomicU64,
    entries: Mutex<Entries>,
}

impl Executions {
    /// An empty table. Executions can start once the container is [`Executions::open`].
    pub fn new(zygote: Zygote, activity: Activity) -> Self {
        Self(Arc::new_cyclic(|this| Table {
            this: this.clone(),
            zygote,
            activity,
            on_oom: OnceLock::new(),
            container: OnceLock::new(),
            arrived: Notify::new(),
            last_serial: AtomicU64::new(0),
            requested: AtomicU64::new(0),
            entries: Mutex::new(Entries::new()),
        }))
    }

    /// Notes the container's defaults. Returns false if that was done before.
    pub fn open(&self, defaults: Defaults, oom: Option<OomEvents>) -> bool {
        self.0.container.set((RwLock::new(defaults), oom)).is_ok()
    }

    /// Whether the container exists.
    pub fn is_open(&self) -> bool {
        self.0.container.get().is_some()
    }

    /// Sets the environment of executions that start from now on. Without a container there is nothing to change.
    pub fn set_env(&self, env: Vec<String>) {
        if let Some((defaults, _)) = self.0.container.get() {
            defaults.write().env = env;
        }
    }

    /// The number of executions that the host has requested.
    pub fn requested(&self) -> u64 {
        self.0.requested.load(Ordering::Relaxed)
    }

    /// Checks and completes `request`, and creates an execution for it that is about to start.
    pub(super) fn admit(
        &self,
        mut request: ExecRequest,
        purpose: Purpose,
    ) -> Result<(Arc<Execution>, ExecRequest)> {
        let id = id::checked(&request.execution_id)?.to_owned();
        let Some((defaults, _)) = self.0.container.get() else {
            return Err(Error::new(Kind::State, format!("exec {id}: the container is not initialised")));
        };
        defaults.read().complete(&mut request);
        let execution = self.insert(id, purpose, Summary::new(&request))?;
        Ok((execution, request))
    }

    fn insert(&self, id: String, purpose: Purpose, summary: Summary) -> Result<Arc<Execution>> {
        let serial = self.0.last_serial.fetch_add(1, Ordering::Relaxed) + 1;
        let zygote = self.0.zygote.clone();
        if let Purpose::Check = purpose {
            return Ok(Execution::new(id, serial, purpose, summary, Weak::<Table>::new(), zygote));
        }
        let mut entries = self.0.entries.lock();
        entries.check_free(&id, matches!(purpose, Purpose::Main(_)))?;
        if let Purpose::Requested = purpose {
            self.0.requested.fetch_add(1, Ordering::Relaxed);
            self.0.activity.begin();
        }
        let execution = Execution::new(id, serial, purpose, summary, self.0.this.clone(), zygote);
        entries.add(&execution);
        drop(entries);
        self.0.arrived.notify_waiters();
        Ok(execution)
    }

    /// Finds an execution whose `Exec` has arrived or arrives within [`limits::EXEC_GRACE`].
    ///
    /// # Errors
    ///
    /// The id is invalid, or no `Exec` with it arrives in time.
    pub async fn find(&self, id: &str) -> Result<Arc<Execution>> {
        id::checked(id)?;
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
        self.0.entries.lock().get(id).cloned()
    }

    /// The list's entry for the execution of this id, if it runs or is remembered.
    pub fn known(&self, id: &str) -> Option<ExecutionInfo> {
        let execution = self.get(id)?;
        let has_started = matches!(*execution.phase.borrow(), Phase::Running | Phase::Ended(_));
        has_started.then(|| execution.summary.entry(id))
    }

    /// Those that run, the oldest first, [`limits::LIST`] at most.
    pub fn list(&self) -> Vec<ExecutionInfo> {
        let entries = self.0.entries.lock();
        let running = entries.running().into_iter().take(limits::LIST);
        running.map(|execution| execution.summary.entry(execution.id())).collect()
    }

    /// Calls `report` whenever the kernel has ended a process of the container for want of memory. Only the first call counts.
    pub fn on_oom(&self, report: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.0.on_oom.set(Box::new(report));
    }

    /// The number of the container's processes that the OOM killer has ended.
    pub(super) fn oom_kills(&self) -> u64 {
        self.0.container.get().and_then(|(_, oom)| oom.as_ref()).map_or(0, OomEvents::kills)
    }

    /// Reports OOM kills that were not reported yet, as kills of the execution `id`.
    pub fn report_oom(&self, id: &str) {
        let oom = self.0.container.get().and_then(|(_, oom)| oom.as_ref());
        if oom.is_some_and(OomEvents::claim)
            && let Some(report) = self.0.on_oom.get()
        {
            report(id);
        }
    }
}

impl Retention for Table {
    fn ended(&self, execution: &Arc<Execution>) {
        if let Purpose::Requested = execution.purpose {
            self.activity.end();
        }
        if self.entries.lock().note_end(execution) {
            tokio::spawn(forget(self.this.clone()));
        }
    }

    fn reader_leaves(&self, execution: &Arc<Execution>) {
        if execution.has_ended() && !execution.is_delivered() && execution.readers.count() <= 1 {
            self.entries.lock().note_leaving_reader(execution);
        }
    }

    fn delivered(&self, execution: &Arc<Execution>) {
        if execution.ends() != [0; 2] {
            self.entries.lock().note_delivery(execution);
        }
    }
}

/// Forgets executions when their time has come, until there is none to forget.
async fn forget(table: Weak<Table>) {
    while let Some(next) = table.upgrade().and_then(|table| table.entries.lock().forget_due()) {
        sleep_until(next).await;
    }
}
