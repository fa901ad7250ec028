//! `Machine`: the machine of a running box: its shim, the session with its guest, and the record of its start. Made by the pipeline, or
//! by a transition that finds it running.

use std::{sync::Arc, time::Duration};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};
use boxlite_portal::GuestSession;
use tokio::{runtime::Handle, time::timeout};

use crate::{
    events::watcher::GuestWatcher,
    in_context::in_context,
    network::watch::NetworkWatch,
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
    /// `None` if the box has no network.
    pub(crate) network: Option<Arc<NetworkWatch>>,
    /// Where calls of the guest and tasks about them run.
    pub(crate) handle: Handle,
}

impl Machine {
    /// The outcome, if the machine has ended.
    pub(crate) fn outcome(&self) -> Option<ShimOutcome> {
        self.shim.outcome()
    }

    /// Awaits a call of the guest, on whichever executor its caller runs. To a lost connection it adds that the machine ended, and why, if
    /// it did.
    pub(crate) async fn explained<T>(
        &self,
        call: impl Future<Output = BoxliteResult<T>>,
    ) -> BoxliteResult<T> {
        let explained = async {
            match call.await {
                Err(error) if error.code() == ErrorCode::PortalLost => Err(self.explain(error).await),
                answer => answer,
            }
        };
        in_context(&self.handle, explained).await
    }

    async fn explain(&self, error: BoxliteError) -> BoxliteError {
        match timeout(END_AFTER_LOSS, self.shim.ended()).await {
            Ok(Ok(outcome)) => BoxliteError::new(
                ErrorCode::PortalLost,
                format!("{error} because the box ended: {}", outcome.describe()),
            )
            .hint(text![Term::BoxStart, " starts it again; its console is kept in the box's folder"]),
            _ => error,
        }
    }

    /// Makes the guest power off, and kills it when it does not. Processes get `grace` between SIGTERM and SIGKILL.
    ///
    /// # Errors
    /// `BOX_STATE` if the killed shim is still there after 5 s.
    pub(crate) async fn stop(&self, grace: Duration) -> BoxliteResult<ShimOutcome> {
        let powered_off = async {
            // The reply races with power-off, so wait for the shim to exit.
            let mut guest = self.session.guest();
            let (answer, outcome) = tokio::join!(guest.shutdown(grace), self.shim.ended());
            if let Err(error) = answer {
                tracing::debug!(%error, "no answer");
            }
            outcome
        };
        if let Ok(outcome) = timeout(grace + POWER_OFF, powered_off).await {
            return outcome;
        }
        tracing::warn!(pid = self.shim.identity().pid, "the guest did not power off in time; it is killed");
        self.shim.kill_on_request("its guest did not power off in time");
        self.shim.ended_within(SHIM_EXIT).await
    }
}
