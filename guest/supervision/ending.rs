//! The machine's orderly end, whoever wants it: the host, a limit, or a main process that is through.
//!
//! Called by the Guest service, `limits` and `main_process`.

use std::{sync::PoisonError, sync::atomic::Ordering, time::Duration};

use nix::libc::SIGTERM;
use tokio::time::timeout;

use super::Supervisor;
use crate::{storage, zygote::message::Stop};

/// How long the main process's last bytes may take once no process is left.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// What processes get where the orders say nothing, since limits came later.
const GRACE_MS: u32 = 10_000;

/// Who wanted the end first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The host, which knows that it did.
    Asked,
    /// A limit, or the main process.
    OfItself,
}

impl Supervisor {
    /// Ends every process of the container, completes the journal, leaves the disk clean, and lets `main.rs` switch the
    /// machine off. The first call decides over `grace_ms`; all of them wait for the same end. Answers how many processes had
    /// to be killed.
    pub async fn end(&self, grace_ms: u32) -> u32 {
        self.end_as(Ending::Asked, grace_ms).await
    }

    /// Who wanted the end that was awaited.
    pub fn wanted_by(&self) -> Ending {
        self.0.wanted_by.get().copied().unwrap_or(Ending::Asked)
    }

    async fn end_as(&self, ending: Ending, grace_ms: u32) -> u32 {
        let _ = self.0.wanted_by.set(ending);
        let mut outcome = self.0.outcome.subscribe();
        if !self.0.ending.send_replace(true) {
            // A task of its own: a host that goes away does not stop it half-way.
            tokio::spawn(self.clone().end_all(grace_ms));
        }
        outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| *outcome).unwrap_or(0)
    }

    /// The end as the machine's own limits want it.
    pub(super) async fn end_by_itself(&self) {
        self.end_as(Ending::OfItself, self.0.grace_ms.get().copied().unwrap_or(GRACE_MS)).await;
    }

    async fn end_all(self, grace_ms: u32) {
        let main = *self.0.main.lock().unwrap_or_else(PoisonError::into_inner);
        let order = Stop {
            grace_ms,
            main: main.map_or(0, |main| main.serial),
            main_signal: main.map_or(SIGTERM, |main| main.stop_signal),
        };
        // A container whose init is gone already has nothing left to stop.
        let killed = self.0.zygote.stop(order).await.unwrap_or(0);
        let _ = timeout(LAST_BYTES, self.0.main_over.subscribe().wait_for(|over| *over)).await;
        if let Some(journal) = self.0.journal.get() {
            journal.finish().await;
        }
        self.0.events.close();
        self.0.files.close();
        if self.0.mounted.load(Ordering::Relaxed) {
            storage::seal_root_disk();
        }
        self.0.outcome.send_replace(Some(killed));
        self.0.ended.send_replace(true);
    }
}
