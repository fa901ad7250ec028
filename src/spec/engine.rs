//! The engines that can run a box. The runtime chooses one and writes it into the spec; the shim runs it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Which virtual machine monitor runs a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VmmKind {
    /// libkrun, linked into the shim. It needs hardware virtualisation (`/dev/kvm`, or HVF on macOS).
    Krun,
    /// QEMU as a child of the shim: with KVM where there is one, by software emulation anywhere else.
    Qemu,
}

impl VmmKind {
    /// Returns the lower-case name: `krun` or `qemu`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Krun => "krun",
            Self::Qemu => "qemu",
        }
    }
}

impl fmt::Display for VmmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for VmmKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "krun" => Ok(Self::Krun),
            "qemu" => Ok(Self::Qemu),
            other => Err(format!("unknown engine: `{other}`")),
        }
    }
}
