//! `BoxEnd`: how a box ended, for those that wait for it, whichever process started it.

use super::{
    BoxState, LiteBox, Transition,
    state::{Operation, Rule},
};
use crate::{BoxliteError, BoxliteResult, ErrorCode};

/// The end of a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxEnd {
    /// [`BoxState::Stopped`] or [`BoxState::Failed`]; [`BoxState::Created`] of a box that never ran.
    pub state: BoxState,
    /// Exit code of the box's main process, if it had one and that exited.
    pub exit_code: Option<u32>,
    /// The signal that ended the main process.
    pub signal: Option<u32>,
    /// Whether the main process ended for want of memory.
    pub oom: bool,
    /// Why the box failed.
    pub failure: Option<String>,
}

impl LiteBox {
    /// Waits until the box does not run. One that does not run has ended already.
    pub async fn wait(&self) -> BoxliteResult<BoxEnd> {
        let closed = self.inner.shared.closed();
        tokio::select! {
            end = self.ended() => end,
            () = closed => Err(BoxliteError::new(
                ErrorCode::RuntimeClosed,
                format!("wait for the end of box `{}`: the runtime was closed", self.inner.id),
            )),
        }
    }

    async fn ended(&self) -> BoxliteResult<BoxEnd> {
        loop {
            let Some(machine) = self.running().await? else {
                let record = self.standing()?.record;
                if Operation::Wait.rule(record.state) == Rule::Nothing {
                    return Ok(end(record.state, record.failure));
                }
                // Somebody else is at it.
                drop(Transition::begin(self).await?);
                continue;
            };
            let outcome = machine.shim.ended().await?;
            return match Transition::begin_after(self, Some(outcome.clone())).await {
                Ok(transition) => {
                    let record = transition.record();
                    Ok(end(record.state, record.failure.clone()))
                }
                // It was to be removed once it ended.
                Err(error) if error.code() == ErrorCode::BoxRemoved => Ok(if outcome.is_no_failure() {
                    end(BoxState::Stopped, None)
                } else {
                    end(BoxState::Failed, Some(outcome.describe()))
                }),
                Err(error) => Err(error),
            };
        }
    }
}

fn end(state: BoxState, failure: Option<String>) -> BoxEnd {
    BoxEnd { state, exit_code: None, signal: None, oom: false, failure }
}
