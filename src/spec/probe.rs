//! What a shim found out about this machine: which engines can run here and, for each that can't, why and what would help.
//!
//! Printed by `boxlite-shim probe` as one line of JSON, read by the runtime to choose an engine and by its doctor.

use serde::{Deserialize, Serialize};

use crate::VmmKind;

/// The output of `boxlite-shim probe`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// One entry for each engine that this shim was built with.
    pub engines: Vec<EngineProbe>,
}

impl ProbeReport {
    /// The entry of `kind`, if this shim was built with that engine.
    pub fn engine(&self, kind: VmmKind) -> Option<&EngineProbe> {
        self.engines.iter().find(|engine| engine.kind == kind)
    }
}

/// What one engine can do on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineProbe {
    /// The engine.
    pub kind: VmmKind,
    /// Whether it can run a box here.
    pub usable: bool,
    /// Whether it would run on hardware virtualisation.
    pub accelerated: bool,
    /// Its version and where it was found, as text for people.
    pub detail: String,
    /// What is missing or slower than it could be; the first one decides whether the engine is usable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<EngineProblem>,
}

/// One thing that is missing, with its remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineProblem {
    /// Stable name: `kvm_absent`, `kvm_forbidden`, `kvm_unusable`, `nested_off`, `qemu_missing`, `qemu_too_old`,
    /// `qemu_no_emulation`, `qemu_broken`.
    pub code: String,
    /// What was tried and how it failed.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl EngineProblem {
    /// A problem with its stable name, what was tried, and what to do about it.
    pub fn new(code: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), remedy: remedy.into() }
    }
}
