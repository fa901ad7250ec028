//! `Machine`: the machine of a running box: its shim, the session with its guest, and the record of its start. Made by the pipeline, or
//! by a transition that finds it running.

use std::{sync::Arc, time::Duration};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};
use boxlite_portal::GuestSession;

use crate::{
    events::watcher::GuestWatcher,
    shim::{controller::ShimController, outcome::ShimOutcome},
    state::record::MachineRecord,
};

/// After a lost connection, how long the end of the shim is awaited as the likely reason.
const END_AFTER_LOSS: Duration = Duration::from_millis(300);
/// What a shutdown may take beyond the processes' grace: sync, unmount, power off.
const POWER_OFF: Duration = Duration::from_secs(20);

/// How long a killed shim may take to be gone.
const SHIM_EXIT: Duration = Duration::from_secs(5);

/// What exists while a box runs.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) shim: ShimController,
    pub(crate) session: GuestSession,
    pub(crate) record: MachineRecord,
    pub(crate) watcher: Arc<GuestWatcher>,
}

impl Machine {
    /// The outcome, if the machine has ended.
    pub(crate) fn outcome(&self) -> Option<ShimOutcome> {
        self.shim.outcome()
    }

    /// Adds to a lost connection that the machine ended, and why, if it did.
    pub(crate) async fn explain(self: &Arc<Self>, error: BoxliteError) -> BoxliteError {
        if error.code() != ErrorCode::PortalLost {
            return error;
        }
        match tokio::time::timeout(END_AFTER_LOSS, self.shim.ended()).await {
            Ok(Ok(outcome)) => BoxliteError::new(
                ErrorCode::PortalLost,
                format!("{error} because the box ended: {}", outcome.describe()),
            )
            .hint(text![Term::BoxStart, " starts it again; its console is kept in the box's folder"]),
            _ => error,
        }
    }

    /// What a call to the guest has returned, with the reason of a lost connection.
    pub(crate) async fn explained<T>(self: &Arc<Self>, result: BoxliteResult<T>) -> BoxliteResult<T> {
        match result {
            Err(error) => Err(self.explain(error).await),
            ok => ok,
        }
    }

    /// Makes the guest power off, and kills it when it does not. Processes get `grace` between SIGTERM and SIGKILL.
    ///
    /// # Errors
    /// `BOX_STATE` if the killed shim is still there after 5 s.
    pub(crate) async fn stop(&self, grace: Duration) -> BoxliteResult<ShimOutcome> {
        let powered_off = async {
            // The reply races with power-off, so wait for the shim to exit.
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
        if let Ok(outcome) = tokio::time::timeout(grace + POWER_OFF, powered_off).await {
            return outcome;
        }
        tracing::warn!(pid = self.shim.identity().pid, "the guest did not power off in time; it is killed");
        self.shim.kill_on_request("its guest did not power off in time");
        self.shim.ended_within(SHIM_EXIT).await
    }
}
