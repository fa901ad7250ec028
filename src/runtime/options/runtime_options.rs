//! `RuntimeOptions`: how to open a home.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use boxlite_images::RegistryOptions;
use boxlite_spec::VmmKind;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

/// Which engine to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum EngineChoice {
    /// libkrun where hardware virtualisation can really be used, QEMU elsewhere.
    #[default]
    Auto,
    /// This engine, or an error if it can't run.
    Only(VmmKind),
}

/// The word `auto`, or an engine's name.
impl fmt::Display for EngineChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Only(kind) => kind.fmt(f),
        }
    }
}

impl FromStr for EngineChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == "auto" { Ok(Self::Auto) } else { name.parse().map(Self::Only) }
    }
}

impl TryFrom<String> for EngineChoice {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<EngineChoice> for String {
    fn from(choice: EngineChoice) -> Self {
        choice.to_string()
    }
}

/// How to open a runtime.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RuntimeOptions {
    /// Where boxes and images live. Default: `$BOXLITE_HOME`, else `~/.boxlite`.
    pub home: Option<PathBuf>,
    /// Which engine to use. Default: `BOXLITE_ENGINE`, else [`EngineChoice::Auto`].
    pub engine: Option<EngineChoice>,
    /// Settings of single registries.
    pub registries: Vec<RegistryOptions>,
    /// The registries to search for names without one, in this order. Default: `docker.io`.
    pub search_registries: Vec<String>,
    /// Bytes that the image cache may take. Default: half of what it takes and what is free, together.
    pub image_quota: Option<u64>,
    /// How long a guest may take from its power-on to a container that takes executions; a box may say otherwise. Default: 15 s
    /// under hardware virtualisation, a minute under emulation.
    pub start_timeout: Option<Duration>,
    /// Folder of the platform package, which holds shim, kernel and initramfs. Each can be overridden by
    /// `BOXLITE_SHIM`, `BOXLITE_KERNEL` and `BOXLITE_INITRAMFS`.
    pub parts: Option<PathBuf>,
    /// The tokio runtime that the home's tasks, timers and sockets belong to, with its I/O and time drivers enabled. It has to live
    /// until the home is closed; the futures of this crate enter it by themselves, so any executor may await them. Default: the one
    /// that [`BoxliteRuntime::open`](crate::BoxliteRuntime::open) is awaited on.
    #[serde(skip)]
    pub tokio: Option<Handle>,
}
