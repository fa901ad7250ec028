//! Which of an image's variants runs here. Called by `fetch`.

use std::{fmt, str::FromStr};

use boxlite_error::ErrorCode;
use oci_spec::image::Descriptor;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// An operating system and processor, in the Go language's names as image indexes use them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`, for all that a box can run.
    pub os: String,
    /// For example `amd64` or `arm64`.
    pub architecture: String,
    /// For example `v7`; `None` takes what runs on every processor of the architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Linux on this machine's architecture, which is the architecture of its boxes.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        };
        Self { os: "linux".into(), architecture: architecture.into(), variant: None }
    }

    pub(crate) fn of(descriptor: &Descriptor) -> Option<Self> {
        let platform = descriptor.platform().as_ref()?;
        Some(Self {
            os: platform.os().to_string(),
            architecture: platform.architecture().to_string(),
            variant: platform.variant().clone(),
        })
    }

    /// How well a machine of this platform runs `offered`: lower is better, `None` is not at all.
    pub(crate) fn rank(&self, offered: &Self) -> Option<usize> {
        if self.os != offered.os || self.architecture != offered.architecture {
            return None;
        }
        let offered = offered.variant.as_deref().filter(|variant| !variant.is_empty());
        let runs: &[&str] = match (self.architecture.as_str(), self.variant.as_deref()) {
            ("amd64", Some("v4")) => &["v4", "v3", "v2", "v1", ""],
            ("amd64", Some("v3")) => &["v3", "v2", "v1", ""],
            ("amd64", Some("v2")) => &["v2", "v1", ""],
            ("amd64", _) => &["v1", ""],
            ("arm64", _) => &["v8", ""],
            ("arm", Some("v6")) => &["v6", "v5", ""],
            ("arm", Some("v5")) => &["v5", ""],
            ("arm", _) => &["v7", "", "v6", "v5"],
            (_, wanted) => {
                return (offered.is_none() || offered == wanted).then_some(usize::from(offered != wanted));
            }
        };
        runs.iter().position(|variant| *variant == offered.unwrap_or(""))
    }
}

/// `os/architecture[/variant]`.
impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<_> = text.split('/').map(str::to_owned).collect();
        let (os, architecture, variant) = match &parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant.clone())),
            _ => return Err(malformed(text)),
        };
        if parts.iter().any(|part| part.is_empty() || part.len() > 64) {
            return Err(malformed(text));
        }
        Ok(Self { os: os.clone(), architecture: architecture.clone(), variant })
    }
}

fn malformed(text: &str) -> Error {
    Error::new(
        ErrorCode::ImagePlatform,
        format!("read platform {text:?}: not of the form os/architecture[/variant]"),
    )
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_deref() {
            Some(variant) if !variant.is_empty() => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn the_best_variant_that_runs_here_wins() {
        for (wanted, offered, best) in [
            ("linux/amd64", &["linux/amd64/v3", "linux/amd64", "linux/arm64"][..], Some(1)),
            ("linux/amd64", &["linux/amd64/v2", "windows/amd64"], None),
            ("linux/amd64/v3", &["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], Some(1)),
            ("linux/arm64", &["linux/arm/v7", "linux/arm64/v8"], Some(1)),
            ("linux/arm", &["linux/arm/v5", "linux/arm/v6", "linux/arm/v7"], Some(2)),
            ("linux/arm/v6", &["linux/arm/v7", "linux/arm/v6"], Some(1)),
            ("linux/riscv64", &["linux/riscv64"], Some(0)),
        ] {
            let found = offered
                .iter()
                .enumerate()
                .filter_map(|(at, offer)| Some((platform(wanted).rank(&platform(offer))?, at)))
                .min()
                .map(|(_, at)| at);
            assert_eq!(found, best, "{wanted} of {offered:?}");
        }
    }
}
