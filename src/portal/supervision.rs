//! What a guest reports of the box that it supervises, as checked types of this crate: exits, health, limits. The journal's reader
//! and the portal's supervisor make them, since a guest reports the same in both ways.

use boxlite_error::named;
use boxlite_proto::v1::{self, HealthChanged, MainExited, health_changed, limit_reached};
use serde::{Deserialize, Serialize};

/// The most characters of a health check's output.
const OUTPUT: usize = 4096;

/// How a box's main process ended: exactly one of `code` and `signal` is present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MainExit {
    /// Exit code 0 to 255, when it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The box was out of memory, and its kernel chose this process.
    pub oom: bool,
    /// Whether the restart policy starts it again.
    pub restarts: bool,
}

/// A box's health by its health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Not known yet.
    Starting,
    /// The last check succeeded, or not enough in a row have failed.
    Healthy,
    /// As many checks in a row have failed as the options allow.
    Unhealthy,
}

/// A change of a box's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthChange {
    /// The health from now on.
    pub health: Health,
    /// The end of the last check's output, or why it could not be made; at most 4096 characters.
    pub output: String,
    /// Failures in a row.
    pub failures: u32,
}

/// A limit that ends a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// It reached its longest lifetime.
    MaxLifetime,
    /// It reached its idle timeout.
    IdleTimeout,
    /// The time at which it was to end has come.
    EndsAt,
}

named!(Health { Starting = "starting", Healthy = "healthy", Unhealthy = "unhealthy" });

named!(Limit { MaxLifetime = "max_lifetime", IdleTimeout = "idle_timeout", EndsAt = "ends_at" });

impl From<MainExited> for MainExit {
    fn from(MainExited { exit_code, signal, oom, restarts }: MainExited) -> Self {
        // The highest signal of Linux is 64; a wait status holds an exit code of one byte.
        let signal = (signal != 0).then(|| signal.min(64).cast_signed());
        let code = signal.is_none().then(|| (exit_code & 0xff).cast_signed());
        Self { code, signal, oom, restarts }
    }
}

impl HealthChange {
    /// Returns `None` for a health that this release does not know.
    pub fn from_guest(HealthChanged { health, output, failures }: HealthChanged) -> Option<Self> {
        let health = match health_changed::Health::try_from(health).ok()? {
            health_changed::Health::Starting => Health::Starting,
            health_changed::Health::Healthy => Health::Healthy,
            health_changed::Health::Unhealthy => Health::Unhealthy,
        };
        let plain = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
        Some(Self { health, output: output.chars().filter(plain).take(OUTPUT).collect(), failures })
    }
}

impl Limit {
    /// Returns `None` for a limit that this release does not know.
    pub fn from_guest(v1::LimitReached { limit }: v1::LimitReached) -> Option<Self> {
        match limit_reached::Limit::try_from(limit).ok()? {
            limit_reached::Limit::MaxLifetime => Some(Self::MaxLifetime),
            limit_reached::Limit::IdleTimeout => Some(Self::IdleTimeout),
            limit_reached::Limit::EndsAt => Some(Self::EndsAt),
        }
    }
}
