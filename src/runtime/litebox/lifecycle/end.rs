//! `BoxEnd`: how a box ended, for those that wait for it, whichever process started it.

use boxlite_portal::MainExit;

use serde::{Deserialize, Serialize};

use crate::{litebox::lifecycle::state::BoxState, shim::outcome::ShimOutcome, state::record::BoxRecord};

/// The end of a box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

impl BoxEnd {
    /// The end of the box whose record this is.
    pub(in crate::litebox) fn of(record: &BoxRecord) -> Self {
        Self::new(record.state, record.exit, record.failure.clone())
    }

    /// The end of a box that is gone, by the outcome of its shim.
    pub(in crate::litebox) fn by(outcome: &ShimOutcome, exit: Option<MainExit>) -> Self {
        let failure = outcome.failure(None);
        Self::new(if failure.is_some() { BoxState::Failed } else { BoxState::Stopped }, exit, failure)
    }

    fn new(state: BoxState, exit: Option<MainExit>, failure: Option<String>) -> Self {
        Self {
            state,
            exit_code: exit.and_then(|exit| exit.code),
            signal: exit.and_then(|exit| exit.signal),
            oom: exit.is_some_and(|exit| exit.oom),
            failure,
        }
    }
}
