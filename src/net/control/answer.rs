//! `Answerer`: carries out the requests of the runtime. Called by `server`; it calls the backend, the publisher, the counters and the
//! refusals.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, UNIX_EPOCH},
};

use boxlite_spec::network::control::{FailureKind, Refusal, Reply, Request};
use tokio::sync::broadcast;

use crate::{
    backend::{NetworkBackend, NetworkError, Reports},
    publish::publisher::Publisher,
};

/// Carries out requests about one box.
pub struct Answerer {
    backend: Option<Arc<dyn NetworkBackend>>,
    publisher: Publisher,
    reports: Reports,
    readers: AtomicUsize,
}

impl Answerer {
    /// An answerer for a box; `backend` is `None` if the box has no network.
    pub fn new(backend: Option<Arc<dyn NetworkBackend>>, publisher: Publisher, reports: Reports) -> Self {
        Self { backend, publisher, reports, readers: AtomicUsize::new(0) }
    }

    /// Carries out a request. Returns `None` for [`Request::Events`], whose many replies come from a stream of their own.
    pub async fn answer(&self, request: Request) -> Option<Reply> {
        Some(match request {
            Request::SetPolicy { policy } => {
                self.ask("set the policy", |backend| backend.set_policy(&policy))
            }
            Request::SetSecrets { secrets } => {
                self.ask("set the secrets", |backend| backend.set_secrets(&secrets))
            }
            Request::Publish { port } => match self.publisher.publish(port) {
                Ok(port) => Reply::Ports { ports: vec![port] },
                Err(error) => Reply::Failed { message: error.to_string(), kind: error.kind },
            },
            Request::Unpublish { guest, protocol } => {
                Reply::Ports { ports: self.publisher.unpublish(guest, protocol).await }
            }
            Request::Authority => {
                let certificate = self.backend.as_ref().and_then(|backend| backend.authority());
                Reply::Authority { certificate }
            }
            Request::Ports => Reply::Ports { ports: self.publisher.ports() },
            Request::Metrics => {
                if let Some(backend) = &self.backend {
                    backend.count().await;
                }
                Reply::Metrics { metrics: self.reports.counters.read() }
            }
            Request::Events { .. } => return None,
        })
    }

    fn ask(&self, what: &str, call: impl FnOnce(&dyn NetworkBackend) -> Result<(), NetworkError>) -> Reply {
        let Some(backend) = &self.backend else {
            let message = format!("{what}: the box has no network");
            return Reply::Failed { message, kind: FailureKind::Unsupported };
        };
        match call(&**backend) {
            Ok(()) => Reply::Done,
            Err(error) => {
                Reply::Failed { message: format!("{what}: {error}"), kind: FailureKind::Unsupported }
            }
        }
    }

    /// The refusals from that moment on, or else from now on, for a reader that is counted as long as it holds them.
    pub(super) fn refusals(self: &Arc<Self>, since_unix_ms: Option<u64>) -> RefusalReader {
        if self.readers.fetch_add(1, Relaxed) == 0 {
            // What was counted while nobody read.
            self.reports.refusals.flush();
        }
        let since = since_unix_ms.map(|since| UNIX_EPOCH + Duration::from_millis(since));
        let (late, refusals) = match since {
            Some(since) => self.reports.refusals.subscribe_since(since),
            None => (VecDeque::new(), self.reports.refusals.subscribe()),
        };
        RefusalReader { late, refusals, answerer: Arc::clone(self) }
    }

    /// Passes on counted refusals, if somebody reads. Called once a second.
    pub(super) fn flush(&self) {
        if self.readers.load(Relaxed) > 0 {
            self.reports.refusals.flush();
        }
    }
}

impl fmt::Debug for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answerer").field("publisher", &self.publisher).finish_non_exhaustive()
    }
}

/// A reader of refusals.
pub(super) struct RefusalReader {
    /// Those from before it was made.
    late: VecDeque<Refusal>,
    refusals: broadcast::Receiver<Refusal>,
    answerer: Arc<Answerer>,
}

impl RefusalReader {
    /// Waits for the next refusal. A reader that was too slow has lost the oldest. Returns `None` when there will be no more.
    pub(super) async fn next(&mut self) -> Option<Refusal> {
        if let Some(refusal) = self.late.pop_front() {
            return Some(refusal);
        }
        loop {
            match self.refusals.recv().await {
                Ok(refusal) => return Some(refusal),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl Drop for RefusalReader {
    fn drop(&mut self) {
        self.answerer.readers.fetch_sub(1, Relaxed);
    }
}
