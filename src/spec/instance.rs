//! The spec itself. Written by the runtime's pipeline, read by the shim and by `Vmm::create`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    VmmKind,
    network::{NetworkSpec, port::PublishSpec},
    path,
};

/// The version of the spec. It is raised whenever a field changes its meaning; a shim refuses a spec of another version.
pub const SPEC_VERSION: u32 = 1;

/// A file in the box's folder with a new [`InstanceSpec::deadline_ms`], as a decimal number, for a box whose limits have changed since
/// it started. The shim reads it when the runtime sends SIGUSR1, and before it ends a machine that is overdue.
pub const DEADLINE_FILE: &str = "deadline";

/// Everything that a shim needs in order to run one box. The shim's working directory must be the box's folder, so that each file
/// there has a short name for engines, whatever the folder's path is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceSpec {
    /// [`SPEC_VERSION`] of the writer.
    pub version: u32,
    /// The box's id, for messages and process titles.
    pub box_id: String,
    /// Which engine to run.
    pub engine: VmmKind,
    /// Virtual CPUs, 1 to 255.
    pub cpus: u8,
    /// Guest memory in MiB, at least 64. libkrun rounds it up to an even number.
    pub memory_mib: u32,
    /// The guest kernel: an ELF `vmlinux` with a PVH note.
    #[serde(with = "path")]
    pub kernel: PathBuf,
    /// The initramfs whose `/init` is the guest agent.
    #[serde(with = "path")]
    pub initramfs: PathBuf,
    /// The disks in order: the first is `/dev/vda`. libkrun supports 7, QEMU's microvm supports 5, and one less with
    /// a network.
    pub disks: Vec<DiskSpec>,
    /// The sockets between host and guest.
    pub transport: TransportSpec,
    /// The file that receives the guest's console. It is truncated at the start and is never longer than 1 MiB: when it is full, its
    /// older half is dropped.
    #[serde(with = "path")]
    pub console: PathBuf,
    /// The file that the shim locks and into which it writes its [`ShimIdentity`](crate::ShimIdentity). QEMU inherits the lock, so
    /// it is free only when no process can write to the box's disks any more.
    #[serde(with = "path")]
    pub lock: PathBuf,
    /// Whether the box is attached: it then ends when the shim's standard input reaches its end, which happens when the host process
    /// exits for any reason. A detached box ignores its standard input.
    pub attached: bool,
    /// Where the guest's journal is received and stored; `None` for a guest that writes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalSpec>,
    /// The network device; `None` for a box without a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkSpec>,
    /// The ports that are published from the start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<PublishSpec>,
    /// The shim listens here for the runtime's requests (`network::control`); `None` for a box that takes none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "path::optional")]
    pub control: Option<PathBuf>,
    /// The shim keeps the counters of the network here ([`NetworkMetrics`](crate::network::control::NetworkMetrics) in JSON), for those
    /// who want to know them after its end; `None` keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "path::optional")]
    pub counters: Option<PathBuf>,
    /// Milliseconds from the shim's start until it ends a machine that should have ended by itself; 0 means never.
    #[serde(default)]
    pub deadline_ms: u64,
    /// QEMU's program if the engine is [`VmmKind::Qemu`]; `None` searches `PATH`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "path::optional")]
    pub qemu: Option<PathBuf>,
}

/// One block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskSpec {
    /// A name of at most 20 bytes, which becomes the virtio-blk serial.
    pub id: String,
    /// The image on the host. A qcow2 overlay names its own backing chain, which the runtime has created.
    #[serde(with = "path")]
    pub path: PathBuf,
    /// The format of the image.
    pub format: DiskFormat,
    /// Whether the guest can only read.
    pub read_only: bool,
}

/// The format of a disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskFormat {
    /// The bytes of the disk as they are.
    Raw,
    /// QCOW2, possibly with backing files.
    Qcow2,
}

/// The Unix sockets between host and guest. They are the same with both engines, however the bytes are carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportSpec {
    /// The shim listens here; every connection reaches the guest's gRPC server (port 2695).
    #[serde(with = "path")]
    pub portal: PathBuf,
    /// The runtime listens here; the guest's ready notification (port 2696) arrives as a connection.
    #[serde(with = "path")]
    pub ready: PathBuf,
    /// The shim listens here for the guest's requests for the time (port 2698); `None` for a guest that gets no clock.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "path::optional")]
    pub clock: Option<PathBuf>,
    /// The shim listens here; every connection reaches the guest's dialer (port 2699), which connects it to a port in the box.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "path::optional")]
    pub dial: Option<PathBuf>,
}

/// Where the guest's journal is received and stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalSpec {
    /// The shim listens here for the journal, which the guest sends to port 2697.
    #[serde(with = "path")]
    pub socket: PathBuf,
    /// The shim appends to this file. When it has grown to 8 MiB, the shim renames it to the same name with `.1` appended.
    #[serde(with = "path")]
    pub file: PathBuf,
}
