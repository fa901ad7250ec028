//! What a box does on its own, on its way in: plain objects, already checked by `lib/options/supervision.ts`.

use boxlite_runtime::{
    BoxliteError, BoxliteResult, HealthCheck, HealthOption, Probe, RestartPolicy, SupervisionOptions,
};
use napi_derive::napi;

use crate::words::parsed;

/// What a box does on its own.
#[napi(object, object_to_js = false)]
pub struct SupervisionInput {
    /// Whether it runs the image's program.
    pub main: bool,
    /// Instead of the image's.
    pub entrypoint: Option<Vec<String>>,
    /// Instead of the image's.
    pub cmd: Option<Vec<String>>,
    /// A name or a number.
    pub stop_signal: Option<String>,
    /// Whether the main process is the container's pid 1.
    pub main_is_init: bool,
    /// When the main process is started again.
    pub restart: Option<RestartInput>,
    /// How its health is found out.
    pub health_check: Option<HealthCheckInput>,
    /// Not even by the image's health check.
    pub no_health_check: bool,
    /// Milliseconds; 0 is never.
    pub max_lifetime_ms: Option<i64>,
    /// Milliseconds; 0 is never.
    pub idle_timeout_ms: Option<i64>,
    /// Milliseconds since 1970.
    pub ends_at_ms: Option<i64>,
}

/// When a main process is started again.
#[napi(object, object_to_js = false)]
pub struct RestartInput {
    /// `no`, `on-failure` or `always`.
    pub policy: String,
    /// In a row; 0 is no limit.
    pub max_retries: Option<u32>,
    /// Milliseconds before the first.
    pub delay_ms: Option<u32>,
}

/// A health check, by a command or else by a port.
#[napi(object, object_to_js = false)]
pub struct HealthCheckInput {
    /// Program and arguments.
    pub command: Option<Vec<String>>,
    /// A port on 127.0.0.1 of the box.
    pub tcp_port: Option<u16>,
    /// Milliseconds between two checks.
    pub interval_ms: Option<u32>,
    /// Milliseconds that one may take.
    pub timeout_ms: Option<u32>,
    /// Failures in a row that count.
    pub retries: Option<u32>,
    /// Milliseconds in which failures don't count.
    pub start_period_ms: Option<u32>,
}

impl TryFrom<SupervisionInput> for SupervisionOptions {
    type Error = BoxliteError;

    fn try_from(input: SupervisionInput) -> BoxliteResult<Self> {
        let health = match (input.no_health_check, input.health_check) {
            (true, _) => HealthOption::Off,
            (false, Some(check)) => HealthOption::Own(check.try_into()?),
            (false, None) => HealthOption::Image,
        };
        Ok(Self {
            main: input.main,
            entrypoint: input.entrypoint,
            cmd: input.cmd,
            stop_signal: input.stop_signal,
            main_is_init: input.main_is_init,
            restart: input.restart.map_or(Ok(RestartPolicy::default()), TryInto::try_into)?,
            health,
            max_lifetime_ms: input.max_lifetime_ms.unwrap_or_default().unsigned_abs(),
            idle_timeout_ms: input.idle_timeout_ms.unwrap_or_default().unsigned_abs(),
            ends_at_ms: input.ends_at_ms.unwrap_or_default().unsigned_abs(),
        })
    }
}

impl TryFrom<RestartInput> for RestartPolicy {
    type Error = BoxliteError;

    fn try_from(RestartInput { policy, max_retries, delay_ms }: RestartInput) -> BoxliteResult<Self> {
        Ok(Self {
            when: parsed("restart", &policy)?,
            max_retries: max_retries.unwrap_or_default(),
            delay_ms: delay_ms.unwrap_or_default(),
        })
    }
}

impl TryFrom<HealthCheckInput> for HealthCheck {
    type Error = BoxliteError;

    fn try_from(input: HealthCheckInput) -> BoxliteResult<Self> {
        let probe = match (input.command, input.tcp_port) {
            (Some(words), None) => Probe::Command(words),
            (None, Some(port)) => Probe::TcpPort(port),
            _ => {
                return Err(BoxliteError::invalid_option(
                    "health",
                    "exactly one of `command` and `tcpPort` is needed",
                ));
            }
        };
        let default = Self::new(probe);
        Ok(Self {
            interval_ms: input.interval_ms.unwrap_or(default.interval_ms),
            timeout_ms: input.timeout_ms.unwrap_or(default.timeout_ms),
            retries: input.retries.unwrap_or(default.retries),
            start_period_ms: input.start_period_ms.unwrap_or(default.start_period_ms),
            ..default
        })
    }
}
