//! The portal: host-to-guest communication, gRPC over the box's portal socket.
//!
//! [`GuestSession`] is the facade that a running box holds; [`Connection`] makes the channel lazily and makes it again
//! when it broke; one interface for each service translates between this crate's types and the protocol's. Whatever comes
//! back was sent by a guest, which is not trusted, so sizes, order, offsets and deadlines are checked here.
//!
//! The runtime (`src/runtime`) calls this crate; it calls the guest agent through `boxlite-proto`.

mod call;
mod connection;
mod container;
mod exec_options;
mod execution;
mod exit_status;
mod files;
mod guest;
mod network;
mod output;
mod rejoins;
mod replay_buffer;
mod session;
mod start;
mod status;
mod stdin;
mod supervision;
mod supervisor;

pub use boxlite_proto::v1::ExecutionInfo;
pub use connection::Connection;
pub use container::ContainerInterface;
pub use exec_options::ExecOptions;
pub use execution::ExecutionInterface;
pub use exit_status::{ExitStatus, LAST_SIGNAL};
pub use files::{
    ArchiveTarget, Chunks, CopyOptions, DirectoryEntry, FileCall, FileChange, FileStat, FileSystemStat,
    FileTarget, FilesInterface, ReadOptions, WriteOptions, open_flags,
};
pub use guest::GuestInterface;
pub use network::NetworkConfig;
pub use output::{ExecEvent, OutputStream};
pub use session::GuestSession;
pub use status::broken;
pub use stdin::StdinStream;
pub use supervision::{Health, HealthChange, Limit, MainExit};
pub use supervisor::{GuestEvent, GuestEventKind, GuestEvents, SupervisorInterface};
