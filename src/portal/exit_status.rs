//! How an execution ended. Given by `ExecutionInterface::wait` and as the last event of an `OutputStream`.

use boxlite_proto::v1;
use serde::{Deserialize, Serialize};

/// Highest signal number of Linux (`_NSIG`).
pub const LAST_SIGNAL: i32 = 64;

/// The end of a process in a box: exactly one of `code` and `signal` is present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitStatus {
    /// Exit code, 0 to 255, if the process ended by itself.
    pub code: Option<i32>,
    /// Number of the signal that ended it, 1 to 64.
    pub signal: Option<i32>,
    /// Whether it was ended because it ran longer than its timeout.
    pub timed_out: bool,
    /// Whether the box was out of memory and its kernel killed this process.
    pub oom_killed: bool,
}

impl TryFrom<v1::ExitStatus> for ExitStatus {
    type Error = &'static str;

    /// Fails with what is wrong if no process can end so.
    fn try_from(exit: v1::ExitStatus) -> Result<Self, Self::Error> {
        let v1::ExitStatus { code, signal, timed_out, oom_killed } = exit;
        let signal = (signal != 0).then_some(signal);
        let exists = signal.map_or((0..=255).contains(&code), |signal| (1..=LAST_SIGNAL).contains(&signal));
        if !exists {
            return Err("an exit code or a signal that Linux does not have");
        }
        Ok(Self { code: signal.is_none().then_some(code), signal, timed_out, oom_killed })
    }
}
