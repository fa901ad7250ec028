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

named! {
    /// A box's health by its health check.
    pub enum Health {
        /// Not known yet.
        Starting = "starting",
        /// The last check succeeded, or not enough in a row have failed.
        Healthy = "healthy",
        /// As many checks in a row have failed as the options allow.
        Unhealthy = "unhealthy",
    }
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

named! {
    /// A limit that ends a box.
    pub enum Limit {
        /// It reached its longest lifetime.
        MaxLifetime = "max_lifetime",
        /// It reached its idle timeout.
        IdleTimeout = "idle_timeout",
        /// The time at which it was to end has come.
        EndsAt = "ends_at",
    }
}

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
        // Both have the same names, the protocol's in capitals.
        let name = health_changed::Health::try_from(health).ok()?.as_str_name();
        let health = name.to_ascii_lowercase().parse().ok()?;
        let plain = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
        Some(Self { health, output: output.chars().filter(plain).take(OUTPUT).collect(), failures })
    }
}

impl Limit {
    /// Returns `None` for a limit that this release does not know.
    pub fn from_guest(v1::LimitReached { limit }: v1::LimitReached) -> Option<Self> {
        let name = limit_reached::Limit::try_from(limit).ok()?.as_str_name();
        name.to_ascii_lowercase().parse().ok()
    }
}
