//! Images as plain objects: pulled, listed, inspected, measured. Returned by `image_cache.rs` and `image_pull.rs`.

use boxlite_runtime::{Healthcheck, ImageConfig, ImageDetails, ImageInfo};
use napi_derive::napi;

/// An image in the cache.
#[napi(object, object_from_js = false)]
pub struct PulledImage {
    /// The full reference.
    pub reference: String,
    /// The digest of its manifest.
    pub digest: String,
    /// Bytes of its layers, compressed.
    pub size_bytes: i64,
    /// The number of its layers.
    pub layers: u32,
}

impl From<boxlite_runtime::PulledImage> for PulledImage {
    fn from(image: boxlite_runtime::PulledImage) -> Self {
        Self {
            reference: image.reference,
            digest: image.digest,
            size_bytes: bytes(image.size_bytes),
            layers: u32::try_from(image.layers).unwrap_or(u32::MAX),
        }
    }
}

/// An image in a list.
#[napi(object, object_from_js = false)]
pub struct ListedImage {
    /// The full reference.
    pub reference: String,
    /// The digest of its manifest.
    pub digest: String,
    /// `os/architecture[/variant]`.
    pub platform: String,
    /// Bytes of its layers, compressed.
    pub size_bytes: i64,
    /// Milliseconds since 1970.
    pub pulled_at_ms: i64,
    /// Milliseconds since 1970.
    pub used_at_ms: i64,
    /// Whether a box was made of it.
    pub in_use: bool,
}

impl From<ImageInfo> for ListedImage {
    fn from(image: ImageInfo) -> Self {
        Self {
            reference: image.reference,
            digest: image.digest,
            platform: image.platform,
            size_bytes: bytes(image.size_bytes),
            pulled_at_ms: bytes(image.pulled_at_ms),
            used_at_ms: bytes(image.used_at_ms),
            in_use: image.in_use,
        }
    }
}

/// An image with its configuration.
#[napi(object, object_from_js = false)]
pub struct InspectedImage {
    /// The full reference.
    pub reference: String,
    /// The digest of its manifest.
    pub digest: String,
    /// `os/architecture[/variant]`.
    pub platform: String,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// The program.
    pub entrypoint: Vec<String>,
    /// Its default arguments, or the program.
    pub cmd: Vec<String>,
    /// The user; absent is root.
    pub user: Option<String>,
    /// The working directory; absent is `/`.
    pub workdir: Option<String>,
    /// The signal that stops it.
    pub stop_signal: Option<String>,
    /// Such as `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// Paths.
    pub volumes: Vec<String>,
    /// Names and values, in the order of the names.
    pub labels: Vec<Vec<String>>,
    /// docker's health check.
    pub healthcheck: Option<ImageHealthcheck>,
    /// The layers, lowest first.
    pub layers: Vec<ImageLayer>,
}

/// A health check; times are in milliseconds, 0 if the image sets none.
#[napi(object, object_from_js = false)]
pub struct ImageHealthcheck {
    /// `NONE`, `CMD` and a command, or `CMD-SHELL` and a line.
    pub test: Vec<String>,
    /// Between two checks.
    pub interval_ms: i64,
    /// For one check.
    pub timeout_ms: i64,
    /// During which failures don't count.
    pub start_period_ms: i64,
    /// Failures in a row until it counts as unhealthy.
    pub retries: i64,
}

/// A layer of an image.
#[napi(object, object_from_js = false)]
pub struct ImageLayer {
    /// The digest as stored.
    pub digest: String,
    /// The digest unpacked.
    pub diff_id: String,
    /// Bytes as stored.
    pub size_bytes: i64,
}

impl From<ImageDetails> for InspectedImage {
    fn from(image: ImageDetails) -> Self {
        let ImageDetails { reference, digest, platform, config, layers } = image;
        let ImageConfig {
            env,
            entrypoint,
            cmd,
            user,
            working_dir,
            stop_signal,
            exposed_ports,
            volumes,
            labels,
            healthcheck,
        } = config;
        let layers = layers.into_iter().map(|layer| ImageLayer {
            digest: layer.digest,
            diff_id: layer.diff_id,
            size_bytes: bytes(layer.size),
        });
        Self {
            reference,
            digest,
            platform,
            env,
            entrypoint,
            cmd,
            user,
            workdir: working_dir,
            stop_signal,
            exposed_ports,
            volumes,
            labels: labels.into_iter().map(|(name, value)| vec![name, value]).collect(),
            healthcheck: healthcheck.map(ImageHealthcheck::from),
            layers: layers.collect(),
        }
    }
}

impl From<Healthcheck> for ImageHealthcheck {
    fn from(check: Healthcheck) -> Self {
        let milliseconds = |nanoseconds: i64| nanoseconds / 1_000_000;
        Self {
            test: check.test,
            interval_ms: milliseconds(check.interval),
            timeout_ms: milliseconds(check.timeout),
            start_period_ms: milliseconds(check.start_period),
            retries: check.retries,
        }
    }
}

/// What the home takes, in bytes.
#[napi(object, object_from_js = false)]
pub struct ImageUsage {
    /// Layers, manifests and configurations.
    pub blobs: i64,
    /// Of interrupted pulls.
    pub partial: i64,
    /// Root disks.
    pub disks: i64,
    /// What boxes wrote.
    pub boxes: i64,
    /// What the first three may take together.
    pub quota: i64,
    /// Free on the disk.
    pub free: i64,
}

impl From<boxlite_runtime::ImageUsage> for ImageUsage {
    fn from(usage: boxlite_runtime::ImageUsage) -> Self {
        Self {
            blobs: bytes(usage.blobs),
            partial: bytes(usage.partial),
            disks: bytes(usage.disks),
            boxes: bytes(usage.boxes),
            quota: bytes(usage.quota),
            free: bytes(usage.free),
        }
    }
}

/// The result of a prune.
#[napi(object, object_from_js = false)]
pub struct Pruned {
    /// The references that were forgotten.
    pub images: Vec<String>,
    /// Bytes that are free again.
    pub freed_bytes: i64,
}

impl From<boxlite_runtime::Pruned> for Pruned {
    fn from(pruned: boxlite_runtime::Pruned) -> Self {
        Self { images: pruned.images, freed_bytes: bytes(pruned.freed) }
    }
}

/// A number as JavaScript has it.
pub(crate) fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
