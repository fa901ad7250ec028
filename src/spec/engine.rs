//! The engines that can run a box. The runtime chooses one and writes it into the spec; the shim runs it.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr};

/// Which virtual machine monitor runs a box.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Display, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown)]
pub enum VmmKind {
    /// libkrun, linked into the shim. It needs hardware virtualisation (`/dev/kvm`, or HVF on macOS).
    Krun,
    /// QEMU as a child of the shim: with KVM where there is one, by software emulation anywhere else.
    Qemu,
}

impl VmmKind {
    /// Returns the lower-case name: `krun` or `qemu`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

fn unknown(name: &str) -> String {
    format!("unknown engine: `{name}`")
}
