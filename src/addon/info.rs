//! `BoxInfo` as a plain object. Returned by `litebox.rs` and `runtime.rs`.

use std::{collections::BTreeMap, time::Duration};

use boxlite_runtime::{Health, Timings, VmmKind};
use napi_derive::napi;

/// One stage of the last start and the time it took.
#[napi(object, object_from_js = false)]
pub struct StageTime {
    /// The stage.
    pub stage: &'static str,
    /// Milliseconds.
    pub ms: f64,
}

impl StageTime {
    /// The stages of a start, in order.
    pub(crate) fn all(timings: &Timings) -> Vec<Self> {
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        timings.stages().iter().map(|(stage, took)| Self { stage: stage.as_str(), ms: ms(*took) }).collect()
    }
}

/// A snapshot of a box.
#[napi(object, object_from_js = false)]
pub struct BoxInfo {
    /// Its identity.
    pub id: String,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Its labels, over its image's.
    pub labels: BTreeMap<String, String>,
    /// The image as the user wrote it.
    pub image: String,
    /// The digest of the image's manifest, once resolved.
    pub image_digest: Option<String>,
    /// Its state.
    pub state: &'static str,
    /// The engine that runs it.
    pub engine: Option<&'static str>,
    /// Whether the engine uses hardware virtualisation.
    pub accelerated: Option<bool>,
    /// The shim's process.
    pub pid: Option<u32>,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Virtual CPUs from the next start on, where that is another number.
    pub next_cpus: Option<u32>,
    /// Memory in MiB from the next start on, where that is another size.
    pub next_memory_mib: Option<u32>,
    /// Processes that may be in it at once.
    pub pids_limit: u32,
    /// Milliseconds; 0 is never.
    pub max_lifetime_ms: f64,
    /// Milliseconds; 0 is never.
    pub idle_timeout_ms: f64,
    /// Milliseconds since 1970.
    pub ends_at_ms: Option<f64>,
    /// Size of the disk in GiB.
    pub disk_size_gb: Option<f64>,
    /// Milliseconds since 1970.
    pub created_at_ms: f64,
    /// Why it failed, in the state `failed`.
    pub failure: Option<String>,
    /// Whether it outlives the process that started it.
    pub detached: bool,
    /// Whether it is removed once its machine has ended.
    pub auto_remove: bool,
    /// Its health by its health check.
    pub health: Option<&'static str>,
    /// The stages of the last start, in order.
    pub timings: Vec<StageTime>,
}

impl From<boxlite_runtime::BoxInfo> for BoxInfo {
    fn from(info: boxlite_runtime::BoxInfo) -> Self {
        Self {
            disk_size_gb: info.disk_size_gib(),
            health: info.health.map(Health::as_str),
            timings: StageTime::all(&info.timings),
            id: info.id,
            name: info.name,
            labels: info.labels,
            image: info.image,
            image_digest: info.image_digest,
            state: info.state.as_str(),
            engine: info.engine.map(VmmKind::as_str),
            accelerated: info.accelerated,
            pid: info.pid,
            cpus: u32::from(info.cpus),
            memory_mib: info.memory_mib,
            next_cpus: info.next_cpus.map(u32::from),
            next_memory_mib: info.next_memory_mib,
            pids_limit: info.pids_limit,
            max_lifetime_ms: number(info.max_lifetime_ms),
            idle_timeout_ms: number(info.idle_timeout_ms),
            ends_at_ms: Some(info.ends_at_ms).filter(|at| *at > 0).map(number),
            created_at_ms: number(info.created_at_ms),
            failure: info.failure,
            detached: info.detached,
            auto_remove: info.auto_remove,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact for milliseconds of 285 thousand years")]
fn number(milliseconds: u64) -> f64 {
    milliseconds as f64
}
