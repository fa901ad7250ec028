//! A box's current figures, read from its guest, its disk and its processes on the host. Called by `LiteBox`.

use std::{os::unix::fs::MetadataExt, sync::Arc, time::Duration};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};
use boxlite_proto::v1::MetricsResponse;
use boxlite_spec::network::control::NetworkMetrics;
use serde::{Deserialize, Serialize};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    blocking::blocking,
    in_context::in_context,
    litebox::{
        core::BoxCore,
        lifecycle::state::BoxState,
        observation::host_usage::{self, HostUsage},
    },
    pipeline::timings::Timings,
};

/// How long a guest may take over its figures.
const PATIENCE: Duration = Duration::from_secs(10);

/// The figures of a box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoxMetrics {
    /// Its state.
    pub state: BoxState,
    /// Per cent of one CPU, so that two busy CPUs are 200: since the last sample of the same [`MetricsSampler`], else since the boot.
    /// `None` while the box does not run.
    pub cpu_percent: Option<f64>,
    /// What the guest reports, while it runs.
    pub guest: Option<GuestUsage>,
    /// What went through its network since its start, while it runs and has one.
    pub network: Option<NetworkMetrics>,
    /// What it costs the host, while it runs; `None` where /proc can't be read.
    pub host: Option<HostUsage>,
    /// Bytes that its own disk takes on the host.
    pub disk_on_host: u64,
    /// The stages of the last start.
    pub timings: Timings,
}

/// What a guest reports. It is untrusted: show these figures, never act on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GuestUsage {
    /// Milliseconds of CPU time of the container.
    pub cpu_time_ms: u64,
    /// Bytes of memory that the container uses.
    pub memory_usage: u64,
    /// The most that it used since boot, where the kernel knows.
    pub memory_peak: Option<u64>,
    /// Bytes of memory of the machine.
    pub memory_total: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Executions since boot.
    pub executions: u64,
    /// Processes that the kernel killed since boot because memory ran out.
    pub oom_kills: u64,
    /// Bytes of the root file system.
    pub disk_size: u64,
    /// Bytes in use on it.
    pub disk_used: u64,
    /// Bytes read from the disk since boot.
    pub disk_read: u64,
    /// Bytes written to it since boot.
    pub disk_written: u64,
    /// Bytes received and sent since boot, where there is a network.
    pub network: Option<(u64, u64)>,
    /// Milliseconds since the machine booted.
    pub uptime_ms: u64,
}

impl GuestUsage {
    /// Returns the per cent of one CPU that was used since the sample `before`, if that is of the same boot, else since the boot.
    fn cpu_percent(&self, before: Option<Self>) -> f64 {
        // A machine that has run for less long than the one before is another one.
        let before = before.filter(|before| before.uptime_ms < self.uptime_ms).unwrap_or_default();
        let time = Duration::from_millis(self.uptime_ms - before.uptime_ms).as_secs_f64();
        let cpu = Duration::from_millis(self.cpu_time_ms.saturating_sub(before.cpu_time_ms)).as_secs_f64();
        if time > 0.0 { cpu / time * 100.0 } else { 0.0 }
    }
}

/// Takes samples of a box's figures, each with the use of the CPU since the one before. Made by
/// [`LiteBox::metrics_sampler`](crate::LiteBox::metrics_sampler).
#[derive(Debug)]
pub struct MetricsSampler {
    core: Arc<BoxCore>,
    before: Mutex<Option<GuestUsage>>,
}

impl MetricsSampler {
    pub(in crate::litebox) fn new(core: Arc<BoxCore>) -> Self {
        Self { core, before: Mutex::default() }
    }

    /// Returns the current figures.
    ///
    /// # Errors
    /// Those of [`LiteBox::metrics`](crate::LiteBox::metrics).
    pub async fn sample(&self) -> BoxliteResult<BoxMetrics> {
        let mut before = self.before.lock().await;
        let metrics = in_context(&self.core.home.handle, self.core.metrics(*before)).await?;
        *before = metrics.guest;
        Ok(metrics)
    }
}

impl From<MetricsResponse> for GuestUsage {
    fn from(reported: MetricsResponse) -> Self {
        Self {
            cpu_time_ms: reported.cpu_usage_us / 1000,
            memory_usage: reported.memory_usage,
            memory_peak: (reported.memory_peak > 0).then_some(reported.memory_peak),
            memory_total: reported.memory_total,
            pids: reported.pids,
            executions: reported.executions,
            oom_kills: reported.oom_kills,
            disk_size: reported.disk_size,
            disk_used: reported.disk_used,
            disk_read: reported.disk_read,
            disk_written: reported.disk_written,
            network: reported.network_received.zip(reported.network_sent),
            uptime_ms: reported.uptime_ns / 1_000_000,
        }
    }
}

impl BoxCore {
    /// Returns the current figures, with the use of the CPU since the sample `before`. A box that does not run is not started, and its
    /// guest's figures are `None`.
    ///
    /// # Errors
    /// `BOX_REMOVED`; `GUEST_TIMEOUT` and `PORTAL_LOST` when the guest of a running box or its shim does not answer.
    pub(in crate::litebox) async fn metrics(
        self: &Arc<Self>,
        before: Option<GuestUsage>,
    ) -> BoxliteResult<BoxMetrics> {
        let guest = self.guest_usage().await?;
        let network = if guest.is_some() { self.network_usage().await? } else { None };
        let this = Arc::clone(self);
        blocking("measure a box", move || {
            let info = this.info()?;
            let disk = std::fs::metadata(this.paths.disk());
            Ok(BoxMetrics {
                state: info.state,
                cpu_percent: guest.map(|guest| guest.cpu_percent(before)),
                guest,
                network,
                host: info.pid.and_then(host_usage::of),
                disk_on_host: disk.map_or(0, |meta| meta.blocks() * 512),
                timings: info.timings,
            })
        })
        .await
    }

    /// What went through the network of the running machine. It is added to the totals of the runtime.
    pub(crate) async fn network_usage(self: &Arc<Self>) -> BoxliteResult<Option<NetworkMetrics>> {
        let machine = self.held().filter(|machine| machine.outcome().is_none());
        let Some((machine, network)) =
            machine.and_then(|machine| Some((Arc::clone(&machine), machine.network.clone()?)))
        else {
            return Ok(None);
        };
        match network.metrics(&self.home.metrics).await {
            Ok(metrics) => Ok(Some(metrics)),
            // It ended meanwhile.
            Err(_) if machine.outcome().is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn guest_usage(self: &Arc<Self>) -> BoxliteResult<Option<GuestUsage>> {
        let Some(machine) = self.running().await? else { return Ok(None) };
        let supervisor = machine.session.supervisor();
        let measured = timeout(PATIENCE, machine.explained(supervisor.metrics())).await;
        match measured {
            Ok(Ok(reported)) => Ok(Some(reported.into())),
            // It ended meanwhile.
            _ if machine.outcome().is_some() => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(BoxliteError::new(
                ErrorCode::GuestTimeout,
                format!("measure box `{}`: no answer in {} s", self.id(), PATIENCE.as_secs()),
            )
            .hint(text!["the box may be busy or stuck; ", Term::BoxConsole, " may tell why"])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_use_of_the_cpu_is_since_the_last_sample_and_of_a_new_machine_since_its_boot() {
        let usage = |cpu_time_ms, uptime_ms| GuestUsage { cpu_time_ms, uptime_ms, ..GuestUsage::default() };
        let percent = |now: GuestUsage, before: Option<GuestUsage>| now.cpu_percent(before);
        let first = usage(1500, 3000);
        assert!((percent(first, None) - 50.0).abs() < 1e-9);
        assert!((percent(usage(3500, 4000), Some(first)) - 200.0).abs() < 1e-9);
        assert!((percent(usage(100, 1000), Some(first)) - 10.0).abs() < 1e-9);
        // A hostile guest's figures may go backwards, or stand still at the boot.
        assert!(percent(usage(0, 4000), Some(first)).abs() < 1e-9);
        assert!(percent(usage(7, 0), None).abs() < 1e-9);
    }
}
