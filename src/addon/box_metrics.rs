//! A box's figures as JavaScript numbers, which are exact up to 2^53.

use std::sync::Arc;

use boxlite_runtime::MetricsSampler;
use napi::{Env, Result, bindgen_prelude::Object};
use napi_derive::napi;

use crate::{info::StageTime, promise::promise};

/// Samples of a box's figures. Used by `lib/box.ts`, one for each series.
#[napi]
pub struct NativeMetricsSampler(Arc<MetricsSampler>);

impl From<MetricsSampler> for NativeMetricsSampler {
    fn from(sampler: MetricsSampler) -> Self {
        Self(Arc::new(sampler))
    }
}

#[napi]
impl NativeMetricsSampler {
    /// Resolves with the box's current figures.
    #[napi]
    pub fn sample<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let sampler = Arc::clone(&self.0);
        promise(env, async move { sampler.sample().await.map(BoxMetrics::from) })
    }
}

/// The figures of a box.
#[napi(object, object_from_js = false)]
pub struct BoxMetrics {
    /// Its state.
    pub state: &'static str,
    /// Per cent of one CPU since the last sample.
    pub cpu_percent: Option<f64>,
    /// What its guest reports.
    pub guest: Option<GuestUsage>,
    /// What it costs the host.
    pub host: Option<HostUsage>,
    /// Bytes that its own disk takes.
    pub disk_on_host_bytes: i64,
    /// The stages of the last start, in order.
    pub timings: Vec<StageTime>,
}

/// What a guest reports.
#[napi(object, object_from_js = false)]
pub struct GuestUsage {
    /// CPU time.
    pub cpu_time_ms: i64,
    /// Memory in use.
    pub memory_usage_bytes: i64,
    /// Peak memory in use.
    pub memory_peak_bytes: Option<i64>,
    /// Memory of the machine.
    pub memory_total_bytes: i64,
    /// Processes and threads.
    pub pids: i64,
    /// Executions.
    pub executions: i64,
    /// Processes killed because memory ran out.
    pub oom_kills: i64,
    /// Size of the root file system.
    pub disk_size_bytes: i64,
    /// Bytes in use on it.
    pub disk_used_bytes: i64,
    /// Bytes read from the disk.
    pub disk_read_bytes: i64,
    /// Bytes written to the disk.
    pub disk_written_bytes: i64,
    /// The network, if the box has one.
    pub network: Option<NetworkUsage>,
    /// Milliseconds since the boot.
    pub uptime_ms: i64,
}

/// Bytes over the network.
#[napi(object, object_from_js = false)]
pub struct NetworkUsage {
    /// To the box.
    pub received_bytes: i64,
    /// From the box.
    pub sent_bytes: i64,
}

/// What a box costs the host.
#[napi(object, object_from_js = false)]
pub struct HostUsage {
    /// CPU time.
    pub cpu_time_ms: i64,
    /// In memory, shared ones in full.
    pub rss_bytes: i64,
    /// In memory, shared ones in parts.
    pub pss_bytes: i64,
}

impl From<boxlite_runtime::BoxMetrics> for BoxMetrics {
    fn from(metrics: boxlite_runtime::BoxMetrics) -> Self {
        Self {
            state: metrics.state.as_str(),
            cpu_percent: metrics.cpu_percent,
            guest: metrics.guest.map(GuestUsage::from),
            host: metrics.host.map(|host| HostUsage {
                cpu_time_ms: number(host.cpu_time_ms),
                rss_bytes: number(host.rss),
                pss_bytes: number(host.pss),
            }),
            disk_on_host_bytes: number(metrics.disk_on_host),
            timings: StageTime::all(&metrics.timings),
        }
    }
}

impl From<boxlite_runtime::GuestUsage> for GuestUsage {
    fn from(usage: boxlite_runtime::GuestUsage) -> Self {
        Self {
            cpu_time_ms: number(usage.cpu_time_ms),
            memory_usage_bytes: number(usage.memory_usage),
            memory_peak_bytes: usage.memory_peak.map(number),
            memory_total_bytes: number(usage.memory_total),
            pids: number(usage.pids),
            executions: number(usage.executions),
            oom_kills: number(usage.oom_kills),
            disk_size_bytes: number(usage.disk_size),
            disk_used_bytes: number(usage.disk_used),
            disk_read_bytes: number(usage.disk_read),
            disk_written_bytes: number(usage.disk_written),
            network: usage.network.map(|(received, sent)| NetworkUsage {
                received_bytes: number(received),
                sent_bytes: number(sent),
            }),
            uptime_ms: number(usage.uptime_ms),
        }
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
