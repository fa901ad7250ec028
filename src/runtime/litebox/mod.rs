//! `LiteBox`: the handle to one box. Made by `BoxliteRuntime`, used by callers from any thread.
//!
//! `lifecycle` brings the machine up (once, however many callers wait) and down, in a `transition` that no other process
//! crosses; `start` is a start that may be cut short, `removal` its removal; `state` is the table of what is allowed when. `machine` is what exists while it runs; `execution` is one
//! process in it, `collect` reads all that it writes, and `overtime` bounds what comes after its timeout; `files` are its
//! files and `copy` moves whole trees; `record` is what stays on disk, and `standing` what that means now.

mod collect;
mod console;
mod copy;
mod directory;
mod end;
mod execution;
mod execution_info;
mod feed;
mod files;
mod handle;
mod info;
mod lifecycle;
mod logs;
mod machine;
mod metrics;
mod observe;
mod overtime;
mod record;
mod removal;
mod standing;
mod start;
mod state;
pub(crate) mod story;
mod transition;
mod update;
mod watches;

pub use collect::Collected;
pub use copy::{ArchiveReader, ArchiveWriter, CopyFrom, CopyInto};
pub use directory::DirectoryReader;
pub use end::BoxEnd;
pub use execution::{ExecEvent, Execution, ExecutionEnd};
pub use execution_info::ExecutionInfo;
pub use files::{FileReader, FileWatcher, FileWriter, Files};
pub use handle::LiteBox;
pub use info::BoxInfo;
pub use logs::{LogEntry, LogOptions, LogReader, LogSource, LogText};
pub(crate) use machine::Machine;
pub use metrics::{BoxMetrics, GuestUsage};
pub(crate) use record::{BoxConfig, BoxRecord, ConfigFile, MachineRecord, ResolvedImage};
pub(crate) use standing::Standing;
pub use state::BoxState;
pub(crate) use transition::Transition;
pub use update::BoxUpdate;
