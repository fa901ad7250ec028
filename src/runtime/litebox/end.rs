//! `BoxEnd`: how a box ended, for those that wait for it, whichever process started it.

use std::path::Path;

use super::{
    BoxRecord, BoxState, LiteBox, Transition,
    state::{Operation, Rule},
};
use crate::{BoxliteError, BoxliteResult, ErrorCode, shim::ShimOutcome};

/// The end of a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxEnd {
    /// [`BoxState::Stopped`] or [`BoxState::Failed`]; [`BoxState::Created`] of a box that never ran.
    pub state: BoxState,
    /// Exit code of the box's main process, if it had one and that exited.
    pub exit_code: Option<i32>,
    /// The signal that ended the main process.
    pub signal: Option<i32>,
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
            end = self.ended() => end.or_else(|error| self.end_before_removal(error)),
            () = closed => Err(BoxliteError::new(
                ErrorCode::RuntimeClosed,
                format!("wait for the end of box `{}`: the runtime was closed", self.inner.id),
            )),
        }
    }

    /// A box that was removed because it had ended, before this call came to look, has an end to tell all the same.
    fn end_before_removal(&self, error: BoxliteError) -> BoxliteResult<BoxEnd> {
        let known = if error.code() == ErrorCode::BoxRemoved { self.inner.last_end() } else { None };
        known.ok_or(error)
    }

    /// However long somebody else is at it: waiting is what this is for.
    async fn ended(&self) -> BoxliteResult<BoxEnd> {
        loop {
            match self.ended_soon().await {
                Err(error) if error.code() == ErrorCode::BoxBusy => {}
                ended => return ended,
            }
        }
    }

    async fn ended_soon(&self) -> BoxliteResult<BoxEnd> {
        loop {
            let Some(machine) = self.running().await? else {
                let record = self.standing()?.record;
                if Operation::Wait.rule(record.state) == Rule::Nothing {
                    return Ok(BoxEnd::of(&record));
                }
                // Somebody else is at it.
                drop(Transition::begin(self).await?);
                continue;
            };
            let outcome = machine.shim.ended().await?;
            return match Transition::begin_after(self, Some(outcome.clone())).await {
                Ok(transition) => Ok(BoxEnd::of(transition.record())),
                // It was to be removed once it ended; another process that did so kept the rest to itself.
                Err(error) if error.code() == ErrorCode::BoxRemoved => {
                    Ok(self.inner.last_end().unwrap_or_else(|| BoxEnd::by(&outcome)))
                }
                Err(error) => Err(error),
            };
        }
    }
}

impl BoxEnd {
    pub(super) fn of(record: &BoxRecord) -> Self {
        let exit = record.exit;
        Self {
            state: record.state,
            exit_code: exit.and_then(|exit| exit.code),
            signal: exit.and_then(|exit| exit.signal),
            oom: exit.is_some_and(|exit| exit.oom),
            failure: record.failure.clone(),
        }
    }

    fn by(outcome: &ShimOutcome) -> Self {
        // The console went with the box.
        let failure = outcome.failure(Path::new("/dev/null"));
        let state = if failure.is_some() { BoxState::Failed } else { BoxState::Stopped };
        Self { state, exit_code: None, signal: None, oom: false, failure }
    }
}
