//! `wait`: until a box has ended, whichever process runs it or ends it.

use std::sync::Arc;

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};

use crate::{
    blocking::blocking,
    litebox::{
        core::BoxCore,
        lifecycle::{
            end::BoxEnd,
            machine::Machine,
            state::{Operation, Rule},
            transition::Transition,
        },
    },
    state::journal::reader::{ExitReader, Journal},
};

impl BoxCore {
    /// Waits until the box does not run. One that does not run has ended already.
    pub(in crate::litebox) async fn wait(self: &Arc<Self>) -> BoxliteResult<BoxEnd> {
        let closed = self.home.closed();
        tokio::select! {
            end = self.ended() => end.or_else(|error| self.end_before_removal(error)),
            () = closed => Err(BoxliteError::new(
                ErrorCode::RuntimeClosed,
                format!("wait for the end of box `{}`: the runtime was closed", self.id),
            )),
        }
    }

    /// A box that was removed with its machine before this call could look at it has ended all the same.
    fn end_before_removal(&self, error: BoxliteError) -> BoxliteResult<BoxEnd> {
        let known = if error.code() == ErrorCode::BoxRemoved { self.last_end() } else { None };
        known.ok_or(error)
    }

    /// Waits also while another process keeps changing the box, however long that takes.
    async fn ended(self: &Arc<Self>) -> BoxliteResult<BoxEnd> {
        loop {
            match self.ended_soon().await {
                Err(error) if error.code() == ErrorCode::BoxBusy => {}
                ended => return ended,
            }
        }
    }

    async fn ended_soon(self: &Arc<Self>) -> BoxliteResult<BoxEnd> {
        loop {
            let Some(machine) = self.running().await? else {
                let record = self.observed_state().await?.record;
                if Operation::Wait.rule(record.state) == Rule::Nothing {
                    return Ok(BoxEnd::of(&record));
                }
                // Another process changes the box: wait for it.
                drop(Transition::begin(self).await?);
                continue;
            };
            let exits = self.exits(&machine).await?;
            let outcome = machine.shim.ended().await?;
            return match Transition::begin_after(self, Some(outcome.clone())).await {
                Ok(transition) => Ok(BoxEnd::of(&transition.record)),
                // The box was removed with its machine, by another process, which saw the end first.
                Err(error) if error.code() == ErrorCode::BoxRemoved => {
                    if let Some(end) = self.last_end() {
                        return Ok(end);
                    }
                    let exit = match exits {
                        Some(exits) => exits.known().await,
                        None => None,
                    };
                    // The log says whether the end was requested.
                    Ok(BoxEnd::by(&machine.shim.final_outcome(), exit))
                }
                Err(error) => Err(error),
            };
        }
    }

    /// The exits of the main process, opened early for a box that may be gone, with its journal, when they are read.
    async fn exits(&self, machine: &Machine) -> BoxliteResult<Option<ExitReader>> {
        if !self.config().options.auto_remove {
            return Ok(None);
        }
        let mut exits = Journal::of(&self.paths).exits(machine.record.started_at_unix_ns());
        let opened = blocking("read the journal", move || exits.last().map(|_| exits)).await;
        opened.map(Some)
    }
}
