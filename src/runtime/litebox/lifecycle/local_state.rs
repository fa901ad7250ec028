//! `LocalState`: what this process is doing with a box. Whether there is a box at all, and whether another process runs it, is asked
//! of its folder (`observed_state`).

use std::sync::Arc;

use crate::litebox::lifecycle::{machine::Machine, start::Start, task::Task};

/// What this process is doing with a box.
#[derive(Debug, Default)]
pub(in crate::litebox) enum LocalState {
    /// Nothing. The box may run all the same: then another process started it.
    #[default]
    Idle,
    /// It is being started, or joined.
    Starting(Start),
    /// A machine runs, or ended a moment ago.
    Running(Arc<Machine>),
    /// The machine is being ended. This is the machine, if this process held it.
    Stopping(Task<()>, Option<Arc<Machine>>),
}

impl LocalState {
    /// The machine that this process holds, while it runs.
    pub(in crate::litebox) fn machine(&self) -> Option<Arc<Machine>> {
        match self {
            Self::Running(machine) if machine.outcome().is_none() => Some(Arc::clone(machine)),
            _ => None,
        }
    }

    /// Whether something of the box ends with this process.
    pub(in crate::litebox) fn is_ours(&self) -> bool {
        match self {
            Self::Starting(_) | Self::Stopping(..) => true,
            Self::Running(machine) => machine.shim.is_ours(),
            Self::Idle => false,
        }
    }
}
