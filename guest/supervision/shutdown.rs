//! The orderly shutdown of the machine, which the host, a limit or the main process's exit begins.
//!
//! Called by the Guest service, `limit_watch` and `main_process`.

use std::{sync::atomic::Ordering, time::Duration};

use nix::libc::SIGTERM;
use tokio::time::timeout;

use super::supervisor::{EndedBy, Supervisor};
use crate::{storage, zygote::message::Stop};

/// How long the main process's last output may take once no process is left.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// Milliseconds between SIGTERM and SIGKILL if the configuration has none, since limits were added later.
const GRACE_MS: u32 = 10_000;

impl Supervisor {
    /// Ends every process of the container, completes the journal, leaves the disk clean, and lets `main.rs` switch the
    /// machine off. The `grace_ms` of the first call counts, and all calls wait for the same end. Returns how many processes had
    /// to be killed.
    pub async fn shut_down(&self, grace_ms: u32) -> u32 {
        self.shut_down_as(EndedBy::Host, grace_ms).await
    }

    /// Which side began the shutdown.
    pub fn ended_by(&self) -> EndedBy {
        self.0.ended_by.get().copied().unwrap_or(EndedBy::Host)
    }

    async fn shut_down_as(&self, ended_by: EndedBy, grace_ms: u32) -> u32 {
        let _ = self.0.ended_by.set(ended_by);
        let mut killed = self.0.killed.subscribe();
        if !self.0.shutting_down.send_replace(true) {
            // It is a task of its own, so that a host that goes away does not stop it half-way.
            tokio::spawn(self.clone().end_all(grace_ms));
        }
        killed.wait_for(Option::is_some).await.ok().and_then(|killed| *killed).unwrap_or(0)
    }

    /// The shutdown by the guest itself.
    pub(super) async fn shut_down_by_guest(&self) {
        self.shut_down_as(EndedBy::Guest, self.0.grace_ms.get().copied().unwrap_or(GRACE_MS)).await;
    }

    async fn end_all(self, grace_ms: u32) {
        let main = *self.0.main.lock();
        let stop = Stop {
            grace_ms,
            main: main.map_or(0, |main| main.serial),
            main_signal: main.map_or(SIGTERM, |main| main.stop_signal),
        };
        // A container whose init has exited already has nothing left to stop.
        let killed = self.0.zygote.stop(stop).await.unwrap_or(0);
        let _ = timeout(LAST_OUTPUT, self.0.main_over.subscribe().wait_for(|over| *over)).await;
        if let Some(journal) = self.0.journal.get() {
            journal.finish().await;
        }
        self.0.events.close();
        self.0.files.close();
        if self.0.mounted.load(Ordering::Relaxed) {
            storage::seal_root_disk();
        }
        self.0.killed.send_replace(Some(killed));
        self.0.ended.send_replace(true);
    }
}
