//! Begins what the configuration of a container says, and changes it while the box runs.
//!
//! Called by the Container and Supervisor services; starts `main_process`, `health`, `limit_watch` and `oom`.

use std::sync::atomic::Ordering;

use boxlite_proto::v1::{AmendRequest, Environment, MetricsResponse, StartError, Supervision};
use tokio::time::Instant;

use super::{
    events::Watch, health, journal::Journal, limit_watch, limits::Limits, main_process::MainProcess, metrics,
    oom, supervisor::Supervisor,
};
use crate::{Error, Kind, Result, container::Cgroup};

impl Supervisor {
    /// Begins what `config` says for a container that is set up. Returns why its main process could not be started, if it could
    /// not.
    ///
    /// # Errors
    ///
    /// The configuration is invalid, or the zygote is gone.
    pub async fn begin(
        &self,
        config: Option<Supervision>,
        cgroup: Option<Cgroup>,
    ) -> Result<Option<StartError>> {
        if let Some(cgroup) = cgroup {
            let _ = self.0.cgroup.set(cgroup);
        }
        // A lifetime is counted from here, also one that is set later.
        let _ = self.0.began.set(Instant::now());
        let Some(config) = config else { return Ok(None) };
        let limits = Limits::of(&config);
        let _ = self.0.grace_ms.set(config.stop_grace_ms);
        // The journal is opened before any process of the box runs, since the host accepts the first stream only.
        let journal = Journal::open(&self.0.host_streams).await;
        let _ = self.0.journal.set(journal.clone());
        if let Some(main) = config.main
            && let Err(error) = MainProcess::begin(self.clone(), journal, main).await?
        {
            return Ok(Some(error));
        }
        if let Some(check) = config.health {
            tokio::spawn(health::watch(self.clone(), check));
        }
        self.set_limits(limits);
        Ok(None)
    }

    /// Changes what can change while the box runs. The call counts as a use of the box.
    ///
    /// # Errors
    ///
    /// There is no container yet, or the kernel refuses a limit.
    pub fn amend(&self, request: AmendRequest) -> Result<()> {
        if self.0.began.get().is_none() {
            return Err(Error::new(Kind::State, "amend box: it has no container yet"));
        }
        self.0.activity.touch();
        if let (Some(most), Some(cgroup)) = (request.pids_max, self.0.cgroup.get()) {
            cgroup.set_pids_max(most)?;
        }
        if let Some(Environment { env }) = request.env {
            self.0.executions.set_env(env);
        }
        let now = *self.0.limits.borrow();
        self.set_limits(Limits {
            max_lifetime_ms: request.max_lifetime_ms.unwrap_or(now.max_lifetime_ms),
            idle_timeout_ms: request.idle_timeout_ms.unwrap_or(now.idle_timeout_ms),
            ends_at: request.ends_at_unix_ms.unwrap_or(now.ends_at),
        });
        Ok(())
    }

    /// Sets the limits, and starts to watch them when the first one is set.
    fn set_limits(&self, limits: Limits) {
        self.0.limits.send_replace(limits);
        if limits != Limits::default() && !self.0.limited.swap(true, Ordering::Relaxed) {
            let began = self.0.began.get().copied().unwrap_or_else(Instant::now);
            tokio::spawn(limit_watch::watch(self.clone(), began, self.0.limits.subscribe()));
        }
    }

    /// Watches the events after the event `after`, or the current state and then all events.
    pub fn watch(&self, after: Option<u64>) -> Watch {
        let first = !self.0.watches_oom.swap(true, Ordering::Relaxed);
        if let Some(cgroup) = self.0.cgroup.get().filter(|_| first) {
            tokio::spawn(oom::watch(self.0.executions.clone(), cgroup.memory_events()));
        }
        self.0.events.watch(after)
    }

    /// The current figures.
    pub fn metrics(&self) -> MetricsResponse {
        MetricsResponse {
            executions: self.0.executions.requested(),
            ..metrics::read(self.0.cgroup.get().map(Cgroup::path))
        }
    }
}
