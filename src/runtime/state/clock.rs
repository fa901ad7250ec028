//! The wall clock as state files keep it. Used wherever a moment is written down.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch; 0 of a time before it.
pub(crate) fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The milliseconds since the Unix epoch until now.
pub(crate) fn now_ms() -> u64 {
    unix_ms(SystemTime::now())
}
