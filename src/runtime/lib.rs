//! The runtime: boxes, their life, and the way to the guest.
//!
//! [`BoxliteRuntime`] opens a home and makes [`LiteBox`]es; a box starts at its first use through the pipeline
//! (image → rootfs → disk → spawn → ready → guest → container) and runs [`Execution`]s. Each face calls
//! this crate; it calls `boxlite-images` and `boxlite-disk` for the root disk, starts the shim with an `InstanceSpec` of
//! `boxlite-spec`, and talks to the guest through `boxlite-portal`.

mod blocking;
mod container;
mod doctor;
#[cfg(test)]
mod duplex;
mod events;
mod home;
mod images;
mod litebox;
pub mod logging;
mod options;
mod pipeline;
mod runtime;
mod shim;
mod state;

pub use boxlite_archive::Meter;
pub use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, FileFault, FileRefusal, Stage, Term, Text};
pub use boxlite_images::{
    Credentials, Healthcheck, ImageConfig, Platform, PullEvent, PullPolicy, RegistryOptions,
};
pub use boxlite_portal::{
    CopyOptions, DirectoryEntry, ExecEvent, ExecOptions, ExecutionInfo, ExitStatus, FileChange, FileStat,
    FileSystemStat, Health, HealthChange, Limit, MainExit, ReadOptions, WriteOptions, open_flags,
};
pub use boxlite_spec::VmmKind;
pub use doctor::{DoctorCheck, DoctorReport};
pub use events::{Event, EventKind, PullPhase, bus::EventStream};
pub use home::metrics::RuntimeMetricsSnapshot;
pub use images::{
    cache::{ImageUsage, Pruned},
    catalogue::{ImageDetails, ImageInfo},
    pull::{Pull, PullRequest, PulledImage},
    steps::Progress,
};
pub use litebox::{
    executions::{
        collect::{CollectOptions, Collected, ExecFailure},
        execution::{Execution, ExecutionKiller},
        shell::shell_quote,
    },
    files::{
        archive_writer::ArchiveWriter, copy_in::CopyInto, copy_out::CopyFrom, open_file::OpenFile,
        remove::RemoveOptions, stream::FileStream, verbs::Files, writer::FileWriter,
    },
    handle::LiteBox,
    lifecycle::{end::BoxEnd, state::BoxState, update::BoxUpdate},
    observation::{
        host_usage::HostUsage,
        info::BoxInfo,
        logs::{LogEntry, LogOptions, LogReader, LogSource, LogText},
        metrics::{BoxMetrics, GuestUsage},
    },
};
pub use options::{
    box_options::BoxOptions,
    labels::Labels,
    privileges::Privileges,
    runtime_options::{EngineChoice, RuntimeOptions},
    signal::{name as signal_name, number as signal_number},
    supervision::{HealthCheck, HealthOption, Probe, RestartPolicy, RestartWhen, SupervisionOptions},
};
pub use pipeline::timings::Timings;
pub use runtime::{BoxliteRuntime, filter::BoxFilter};
