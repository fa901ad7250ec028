//! How an execution ended. Given by `Execution::wait` and as the last event of its output.

/// The end of a process in a box: exactly one of `code` and `signal` is present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitStatus {
    /// Exit code 0 to 255, when the process ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its timeout ended it.
    pub timed_out: bool,
    /// The box was out of memory, and its kernel chose this process.
    pub oom_killed: bool,
}
