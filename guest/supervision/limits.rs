//! The box's limits in time: how long it may live, and how long unused. Kept whether or not a host is there.
//!
//! Begun by `supervisor`.

use std::time::Duration;

use boxlite_proto::v1::{LimitReached, box_event::Event, limit_reached::Limit};
use tokio::time::sleep;

use super::Supervisor;

/// Ends the machine after these milliseconds; 0 is never.
pub(super) fn watch_over(supervisor: &Supervisor, max_lifetime_ms: u64, idle_timeout_ms: u64) {
    if max_lifetime_ms > 0 {
        let lived = sleep(Duration::from_millis(max_lifetime_ms));
        tokio::spawn(keep(supervisor.clone(), Limit::MaxLifetime, lived));
    }
    if idle_timeout_ms > 0 {
        let activity = supervisor.0.activity.clone();
        let idle = async move { activity.idle_for(Duration::from_millis(idle_timeout_ms)).await };
        tokio::spawn(keep(supervisor.clone(), Limit::IdleTimeout, idle));
    }
}

async fn keep(supervisor: Supervisor, limit: Limit, reached: impl Future<Output = ()>) {
    tokio::select! {
        () = reached => {}
        () = supervisor.ending() => return,
    }
    supervisor.tell(Event::Limit(LimitReached { limit: limit.into() }));
    supervisor.end_by_itself().await;
}
