//! The runtime: boxes, their life, and the way to the guest.
//!
//! [`BoxliteRuntime`] opens a home and makes [`LiteBox`]es; a box starts at its first use through the pipeline
//! (image → rootfs → disk → spawn → ready → guest → container) and runs [`Execution`]s. The addon calls this crate;
//! it calls `boxlite-images` and `boxlite-disk` for the root disk, the shim through `boxlite-spec`'s paper, and the
//! guest through `boxlite-proto`'s services.

mod blocking;
mod box_manager;
mod box_socket;
mod clock;
mod code;
mod command_line;
mod container_spec;
mod doctor;
#[cfg(test)]
mod duplex;
mod engine;
mod error;
mod event;
mod exit_status;
mod file_fault;
mod filter;
mod from_rooms;
mod get_or_create;
mod host_usage;
mod id;
mod images;
mod journal;
mod json_file;
mod labels;
mod layout;
mod litebox;
mod lock;
mod log;
mod metrics;
mod modes;
mod opened;
mod options;
mod parts;
mod pipeline;
mod portal;
mod privileges;
mod runtime;
mod scarcity;
mod shared;
mod shim;
mod shorten;
mod signal;
mod stage;
mod supervision;
mod supervision_options;
mod supervision_spec;
mod sweep;
mod sysctls;
mod unreadable;

pub use boxlite_archive::Meter;
pub use boxlite_images::{PullPolicy, RegistryOptions};
pub use boxlite_proto::v1::{
    DirectoryEntry, FileAnswer, FileChange, FileOperation, FileReadRequest, FileRequest, FileStat,
    FileSystemStat, FileWriteRequest,
};
pub use boxlite_spec::VmmKind;
pub use code::ErrorCode;
pub use doctor::{DoctorCheck, DoctorReport};
pub use error::{BoxliteError, BoxliteResult};
pub use event::{Event, EventKind, EventStream, PullPhase};
pub use exit_status::ExitStatus;
pub use file_fault::{FileFault, FileRefusal};
pub use filter::BoxFilter;
pub use host_usage::HostUsage;
pub use images::{
    Credentials, Healthcheck, ImageConfig, ImageDetails, ImageInfo, ImageUsage, Platform, Progress, Pruned,
    Pull, PullEvent, PullRequest, PulledImage,
};
pub use labels::Labels;
pub use litebox::{
    ArchiveReader, ArchiveWriter, BoxEnd, BoxInfo, BoxMetrics, BoxState, BoxUpdate, Collected, CopyFrom,
    CopyInto, DirectoryReader, ExecEvent, Execution, ExecutionEnd, ExecutionInfo, FileReader, FileWatcher,
    FileWriter, Files, GuestUsage, LiteBox, LogEntry, LogOptions, LogReader, LogSource, LogText,
};
pub use metrics::RuntimeMetricsSnapshot;
pub use options::{BoxOptions, EngineChoice, ExecOptions, RuntimeOptions};
pub use privileges::Privileges;
pub use runtime::BoxliteRuntime;
pub use stage::{Stage, Timings};
pub use supervision::{Health, HealthChange, Limit, MainExit};
pub use supervision_options::{
    HealthCheck, HealthOption, Probe, RestartPolicy, RestartWhen, SupervisionOptions,
};
