//! How a shim ends: one exit status for each cause, and a report with a message.
//!
//! Written by `shim/`, read by the runtime's `ShimController`, which converts them into a `BoxliteError`.

use serde::{Deserialize, Serialize};
use strum::FromRepr;

/// The shim's exit statuses. Shims and runtimes of different versions exchange the numbers, so none is ever reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, FromRepr)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ShimExit {
    /// The guest powered off on its own initiative and announced it.
    PoweredOff = 0,
    /// Standard input held no valid `InstanceSpec`.
    BadSpec = 64,
    /// The engine can't run on this machine (no usable `/dev/kvm`, QEMU missing or too old).
    EngineUnavailable = 65,
    /// The kernel or the initramfs could not be read.
    BootFile = 66,
    /// A disk could not be opened.
    Disk = 67,
    /// A socket, the console file or the lock could not be created.
    Resource = 68,
    /// The host's address of a port that is published from the start is in use.
    PortInUse = 76,
    /// The host does not let this user listen on the address of a port that is published from the start, or has no such address.
    PortDenied = 77,
    /// The engine failed while it set up or ran the machine.
    Engine = 69,
    /// The host process of an attached box has exited, so the shim ended the box.
    HostGone = 70,
    /// The shim received SIGTERM, SIGINT or SIGHUP and ended the box at once.
    Stopped = 71,
    /// The machine should have ended by itself and did not, so the shim ended it at the deadline of its spec.
    Overdue = 72,
    /// The machine ended without the announcement that its agent makes before a power-off of its own: it was asked to end, its
    /// kernel panicked, or its agent crashed.
    Unannounced = 73,
    /// The box was ended by force on request, or was removed. No shim exits with this status: the runtime writes this report for a
    /// shim that it kills.
    Asked = 74,
    /// The box's network could not be set up.
    Network = 75,
}

impl ShimExit {
    /// Returns the process's exit status.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the cause behind an exit status, or `None` if the status is none of these.
    pub fn from_code(code: i32) -> Option<Self> {
        u8::try_from(code).ok().and_then(Self::from_repr)
    }
}

/// The last line of the shim's standard error, as JSON. A process that did not start the shim learns from this line alone how it
/// ended. If the line is missing, the shim was killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimReport {
    /// The cause, which is also the exit status.
    pub exit: ShimExit,
    /// What was tried and what went wrong, in one sentence.
    pub message: String,
    /// What the user can do about it, if anything is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ShimReport {
    /// Creates a report without a hint.
    pub fn new(exit: ShimExit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_is_restored_from_its_status() {
        for code in 0..=255 {
            if let Some(exit) = ShimExit::from_code(code) {
                assert_eq!(i32::from(exit.code()), code);
            }
        }
        assert_eq!(ShimExit::from_code(1), None);
    }
}
