//! How a shim ends: one exit status per cause, and a report in words.
//!
//! Written by `shim/`, read by the runtime's `ShimController`, which turns them into a `BoxliteError`.

use serde::{Deserialize, Serialize};

/// The shim's exit statuses. The numbers are API between shim and runtime: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ShimExit {
    /// The guest powered off by itself, and announced it.
    PoweredOff = 0,
    /// Standard input held no valid `InstanceSpec`.
    BadSpec = 64,
    /// The engine can't run on this machine (no usable `/dev/kvm`, QEMU missing or too old).
    EngineUnavailable = 65,
    /// The kernel or the initramfs could not be read.
    BootFile = 66,
    /// A disk could not be opened.
    Disk = 67,
    /// A socket, the console file or the lock could not be made.
    Resource = 68,
    /// The engine failed while it set up or ran the machine.
    Engine = 69,
    /// The host process of an attached box is gone, so the box was ended.
    HostGone = 70,
    /// SIGTERM or SIGINT told the shim to end the box at once.
    Stopped = 71,
    /// The machine was to end by itself and did not, so the shim ended it at the spec's deadline.
    Overdue = 72,
    /// The machine ended and its agent had not announced it, as it does when it ends on its own: somebody told it to end, or
    /// its kernel panicked, or its agent gave up.
    Unannounced = 73,
    /// Somebody asked for the end of the box and got it by force, or the box was removed with it. No shim ends so: the runtime
    /// adds this report for one that it kills.
    Asked = 74,
}

impl ShimExit {
    /// The process exit status.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The cause behind an exit status, if it is one of ours.
    pub const fn from_code(code: i32) -> Option<Self> {
        Some(match code {
            0 => Self::PoweredOff,
            64 => Self::BadSpec,
            65 => Self::EngineUnavailable,
            66 => Self::BootFile,
            67 => Self::Disk,
            68 => Self::Resource,
            69 => Self::Engine,
            70 => Self::HostGone,
            71 => Self::Stopped,
            72 => Self::Overdue,
            73 => Self::Unannounced,
            74 => Self::Asked,
            _ => return None,
        })
    }
}

/// The shim's last words, one line of JSON on standard error: a process that did not start the shim reads how it ended
/// from them alone. Without them, it was killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimReport {
    /// The cause; the same as the exit status.
    pub exit: ShimExit,
    /// What was tried and what went wrong, in one sentence.
    pub message: String,
    /// What the user can do about it, if anything is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_survives_the_trip_through_a_status() {
        for code in 0..=255 {
            if let Some(exit) = ShimExit::from_code(code) {
                assert_eq!(i32::from(exit.code()), code);
            }
        }
        assert_eq!(ShimExit::from_code(1), None);
    }
}
