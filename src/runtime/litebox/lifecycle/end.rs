//! `BoxEnd`: how a box ended, for those that wait for it, whichever process started it.

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_portal::MainExit;

use crate::{
    blocking::blocking,
    litebox::{
        handle::LiteBox,
        lifecycle::{
            machine::Machine,
            state::{BoxState, Operation, Rule},
            transition::Transition,
        },
    },
    shim::outcome::ShimOutcome,
    state::{
        journal::reader::{ExitReader, Journal},
        record::BoxRecord,
    },
};

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
                let record = self.standing().await?.record;
                if Operation::Wait.rule(record.state) == Rule::Nothing {
                    return Ok(BoxEnd::of(&record));
                }
                // Somebody else is at it.
                drop(Transition::begin(self).await?);
                continue;
            };
            let exits = self.exits(&machine).await?;
            let outcome = machine.shim.ended().await?;
            return match Transition::begin_after(self, Some(outcome.clone())).await {
                Ok(transition) => Ok(BoxEnd::of(transition.record())),
                // It was to be removed once it ended; another process that did so kept the rest to itself.
                Err(error) if error.code() == ErrorCode::BoxRemoved => {
                    if let Some(end) = self.inner.last_end() {
                        return Ok(end);
                    }
                    let exit = match exits {
                        Some(exits) => exits.known().await,
                        None => None,
                    };
                    // Whoever removed the box said whether its end was asked for.
                    Ok(BoxEnd::by(&machine.shim.last_words(), exit))
                }
                Err(error) => Err(error),
            };
        }
    }

    /// The exits of the main process, if the box may be gone, and its journal with it, when they are asked for.
    async fn exits(&self, machine: &Machine) -> BoxliteResult<Option<ExitReader>> {
        if !self.inner.config().options.auto_remove {
            return Ok(None);
        }
        let mut exits = Journal::of(&self.inner.paths).exits(machine.record.started_at_unix_ns());
        let opened = blocking("read the journal", move || exits.last().map(|_| exits)).await;
        opened.map(Some)
    }
}

impl BoxEnd {
    pub(in crate::litebox) fn of(record: &BoxRecord) -> Self {
        Self { failure: record.failure.clone(), ..Self::with_exit(record.state, record.exit) }
    }

    /// Of a box that is gone.
    fn by(outcome: &ShimOutcome, exit: Option<MainExit>) -> Self {
        let failure = outcome.failure(None);
        let state = if failure.is_some() { BoxState::Failed } else { BoxState::Stopped };
        Self { failure, ..Self::with_exit(state, exit) }
    }

    fn with_exit(state: BoxState, exit: Option<MainExit>) -> Self {
        Self {
            state,
            exit_code: exit.and_then(|exit| exit.code),
            signal: exit.and_then(|exit| exit.signal),
            oom: exit.is_some_and(|exit| exit.oom),
            failure: None,
        }
    }
}
