//! Files of the container, from the host's side: typed operations and streams over the guest's `Files` service.
//!
//! `LiteBox`'s files in `src/runtime/litebox/files` call this; only this folder translates between its types and the protocol's.

mod answer;
mod call;
mod directory;
mod interface;
pub mod open_flags;
mod options;
mod target;
mod watch;

pub use boxlite_proto::v1::{FileStat, FileSystemStat};
pub use call::FileCall;
pub use directory::DirectoryEntry;
pub use interface::{Chunks, FilesInterface};
pub use options::{ArchiveTarget, CopyOptions, ReadOptions, WriteOptions};
pub use target::FileTarget;
pub use watch::FileChange;
