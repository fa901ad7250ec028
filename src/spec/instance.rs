//! The paper itself. Built by the runtime's pipeline, read by the shim and by `Vmm::create`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{VmmKind, path};

/// Raised whenever a field changes meaning; a shim refuses a paper of another version.
pub const SPEC_VERSION: u32 = 1;

/// A file in the box's folder with another [`InstanceSpec::deadline_ms`], as a decimal number: the limits of the box have changed
/// since it started. The shim reads it when the runtime sends SIGUSR1, and before it ends a machine that is overdue.
pub const DEADLINE_FILE: &str = "deadline";

/// All that a shim must know to run one box. Its working directory is the box's folder, so that engines can be given names
/// of any file there whatever the length and the bytes of the folder's path.
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
    /// Guest memory in MiB, at least 64; an odd number gets one more under libkrun.
    pub memory_mib: u32,
    /// The guest kernel: an ELF `vmlinux` with a PVH note.
    #[serde(with = "path")]
    pub kernel: PathBuf,
    /// The initramfs whose `/init` is the guest agent.
    #[serde(with = "path")]
    pub initramfs: PathBuf,
    /// The disks in order: the first is `/dev/vda`. libkrun has room for 7, QEMU's microvm for 5.
    pub disks: Vec<DiskSpec>,
    /// Where host and guest meet.
    pub transport: TransportSpec,
    /// File that receives the guest's console; truncated at start, never longer than 1 MiB (the older half goes).
    #[serde(with = "path")]
    pub console: PathBuf,
    /// File that the shim locks and writes its [`ShimIdentity`](crate::ShimIdentity) into. QEMU inherits the lock, so it
    /// is free only once no process can touch the box's disks any more.
    #[serde(with = "path")]
    pub lock: PathBuf,
    /// An attached box ends when the shim's standard input reaches its end, which the kernel sees to when the host
    /// process dies, however it dies. A detached box ignores it.
    pub attached: bool,
    /// Where the guest's journal goes; `None` for a guest that keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalSpec>,
    /// Milliseconds after its own start at which the shim ends a machine that should have ended by itself; 0 is never.
    #[serde(default)]
    pub deadline_ms: u64,
    /// QEMU's program, where the engine is [`VmmKind::Qemu`]; `None` searches `PATH`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "path::optional")]
    pub qemu: Option<PathBuf>,
}

/// One block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskSpec {
    /// A name of at most 20 bytes, the virtio-blk serial.
    pub id: String,
    /// The image on the host. A qcow2 overlay names its own backing chain, which this project made itself.
    #[serde(with = "path")]
    pub path: PathBuf,
    /// How the image is laid out.
    pub format: DiskFormat,
    /// Whether the guest may write.
    pub read_only: bool,
}

/// The layout of a disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskFormat {
    /// Bytes as they are.
    Raw,
    /// QCOW2, possibly with backing files.
    Qcow2,
}

/// The Unix sockets between host and guest. Both engines present exactly this, whatever carries the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportSpec {
    /// The shim listens here; every connection reaches the guest's gRPC server (port 2695).
    #[serde(with = "path")]
    pub portal: PathBuf,
    /// The runtime listens here; the guest's ready notification (port 2696) arrives as a connection.
    #[serde(with = "path")]
    pub ready: PathBuf,
    /// The shim listens here for guests that ask for the time (port 2698); `None` for one that is not told.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "path::optional")]
    pub clock: Option<PathBuf>,
}

/// The way of the guest's journal to the host's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalSpec {
    /// The shim listens here for what the guest sends to port 2697.
    #[serde(with = "path")]
    pub socket: PathBuf,
    /// The shim appends to this file, and renames it to one of the same name and `.1` when it has grown to 8 MiB.
    #[serde(with = "path")]
    pub file: PathBuf,
}
