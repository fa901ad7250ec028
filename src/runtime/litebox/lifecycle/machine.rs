//! `Machine`: a running box: its shim, the session with its guest, and how it came up. Made by the pipeline, or by a
//! transition that finds it running.

use std::{sync::Arc, time::Duration};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};
use boxlite_portal::GuestSession;

use crate::{
    events::watcher::Observed,
    shim::{controller::ShimController, outcome::ShimOutcome},
    state::record::MachineRecord,
};

/// After a lost connection, how long the shim's end is awaited as the likely reason.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// What a shutdown may take beyond the processes' grace: sync, unmount, power off.
const POWER_OFF: Duration = Duration::from_secs(20);

/// How long a killed shim may take to be gone.
const DEATH: Duration = Duration::from_secs(5);

/// What exists while a box runs.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) shim: ShimController,
    pub(crate) session: GuestSession,
    pub(crate) record: MachineRecord,
    pub(crate) observed: Arc<Observed>,
}

impl Machine {
    /// How it ended, if it did.
    pub(crate) fn outcome(&self) -> Option<ShimOutcome> {
        self.shim.outcome()
    }

    /// Gives a lost connection its reason, if the machine is gone.
    pub(crate) async fn explain(self: &Arc<Self>, error: BoxliteError) -> BoxliteError {
        if error.code() != ErrorCode::PortalLost {
            return error;
        }
        match tokio::time::timeout(LAST_WORDS, self.shim.ended()).await {
            Ok(Ok(outcome)) => BoxliteError::new(
                ErrorCode::PortalLost,
                format!("{error} because the box ended: {}", outcome.describe()),
            )
            .hint(text![Term::BoxStart, " starts it again; its console is kept in the box's folder"]),
            _ => error,
        }
    }

    /// Asks the guest to end, and ends it when it does not.
    pub(crate) async fn stop(&self, grace: Duration) -> BoxliteResult<ShimOutcome> {
        let asked = async {
            // The guest powers off as it answers, so the answer may be lost: the shim's end is what counts.
            let (_, outcome) = tokio::join!(
                async {
                    self.session
                        .guest()
                        .shutdown(grace)
                        .await
                        .inspect_err(|error| tracing::debug!(%error, "no answer"))
                },
                self.shim.ended()
            );
            outcome
        };
        if let Ok(outcome) = tokio::time::timeout(grace + POWER_OFF, asked).await {
            return outcome;
        }
        tracing::warn!(pid = self.shim.identity().pid, "the guest did not power off in time; it is killed");
        self.shim.kill_as_asked("its guest did not power off in time");
        self.shim.ended_within(DEATH).await
    }
}
