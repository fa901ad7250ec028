//! Watches the box's limits, whether or not a host is connected, and ends the machine at the first that is reached.
//!
//! Started by `begin` with the first limit that is set.

use boxlite_proto::v1::{LimitReached, box_event::Event};
use tokio::{sync::watch, time::Instant};

use super::{
    limits::{Limits, reached},
    supervisor::Supervisor,
};

/// Ends the machine when the first of its limits is reached. They may change meanwhile.
pub(super) async fn watch(supervisor: Supervisor, began: Instant, mut limits: watch::Receiver<Limits>) {
    loop {
        let now = *limits.borrow_and_update();
        tokio::select! {
            // The sender lives as long as the supervisor.
            _ = limits.changed() => {}
            limit = reached(&supervisor.0.activity, began, now) => {
                supervisor.emit(Event::Limit(LimitReached { limit: limit.into() }));
                return supervisor.shut_down_by_guest().await;
            }
            () = supervisor.shutdown_begun() => return,
        }
    }
}
