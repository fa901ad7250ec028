//! Micro-VM boxes inside your program: the core of `BoxLite`, which every language's face calls.
//!
//! [`BoxliteRuntime`] opens a home, the folder that holds boxes and images, and makes a [`LiteBox`] from an image and
//! [`BoxOptions`]. A box starts at its first use. [`LiteBox::exec`] collects what a command writes, [`LiteBox::spawn`] gives an
//! [`Execution`] to talk to, and [`LiteBox::files`] reads and writes the box's files. All of them are asynchronous. Their work is done by
//! the tokio runtime that the home was opened on or with ([`RuntimeOptions::tokio`]), and any executor may await them.
//!
//! ```no_run
//! use boxlite_runtime::{BoxOptions, BoxliteRuntime, CollectOptions, ExecOptions, RuntimeOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = BoxliteRuntime::open(RuntimeOptions::default()).await?;
//! let litebox = runtime.create(BoxOptions::new("alpine:3")).await?;
//! let collected = litebox.exec(ExecOptions::new("uname", ["-sr"]), CollectOptions::default()).await?;
//! assert!(collected.stdout.starts_with(b"Linux"));
//! litebox.remove(true).await?;
//! runtime.close(None).await?;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embed.rs` is a whole program, and `examples/executor.rs` one on another executor. Nothing of the process around it is changed: no signal handler, no panic hook, and no
//! `tracing` subscriber unless the program calls [`logging::install`]. Every failure is a [`BoxliteError`] with an [`ErrorCode`].
//!
//! The core is called by the faces (`src/addon`). It calls `boxlite-images` and `boxlite-disk` for the root disk,
//! starts the shim with an `InstanceSpec` of `boxlite-spec`, and talks to the guest through `boxlite-portal`.

mod blocking;
mod container;
mod doctor;
#[cfg(test)]
mod duplex;
mod events;
mod home;
mod images;
mod in_context;
mod litebox;
pub mod logging;
mod network;
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
pub use boxlite_spec::{
    VmmKind,
    network::{
        BackendKind,
        control::{NetworkMetrics, Refusal},
        port::PublishSpec,
        rule::Protocol,
    },
};
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
    lifecycle::{
        end::BoxEnd,
        state::BoxState,
        update::{BoxUpdate, NetworkUpdate},
    },
    network::connection::PortConnection,
    observation::{
        host_usage::HostUsage,
        info::{BoxInfo, NetworkInfo},
        logs::{LogEntry, LogOptions, LogReader, LogSource, LogText},
        metrics::{BoxMetrics, GuestUsage, MetricsSampler},
    },
};
pub use options::{
    box_options::BoxOptions,
    labels::Labels,
    network::{Bandwidth, NetworkOptions, authorities::Authorities, dns::DnsOptions, proxy::Proxy},
    privileges::Privileges,
    runtime_options::{EngineChoice, RuntimeOptions},
    secrets::Secret,
    signal::{name as signal_name, number as signal_number},
    supervision::{HealthCheck, HealthOption, Probe, RestartPolicy, RestartWhen, SupervisionOptions},
};
pub use pipeline::timings::Timings;
pub use runtime::{BoxliteRuntime, filter::BoxFilter};
