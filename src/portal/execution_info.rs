//! `ExecutionInfo`: one line in the list of a box's executions. Made from the guest's answer, whose sizes are bounded here.

use boxlite_proto::v1::RunningExecution;
use boxlite_wire::limits;
use serde::{Deserialize, Serialize};

/// An execution that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionInfo {
    /// The id that finds it again.
    pub id: String,
    /// Its pid inside the box.
    pub pid: u32,
    /// The command, as it was given.
    pub command: String,
    /// Its arguments; a long command line is cut after 256 bytes.
    pub args: Vec<String>,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether it outlives its handle.
    pub detached: bool,
    /// Milliseconds since its start.
    pub age_ms: u64,
}

impl From<RunningExecution> for ExecutionInfo {
    fn from(running: RunningExecution) -> Self {
        let RunningExecution { execution_id, pid, command, args, tty, detached, age_ms } = running;
        let short = |text: String| text.chars().take(limits::LISTED).collect();
        Self {
            id: short(execution_id),
            pid,
            command: short(command),
            args: args.into_iter().take(limits::LISTED).map(short).collect(),
            tty,
            detached,
            age_ms,
        }
    }
}
