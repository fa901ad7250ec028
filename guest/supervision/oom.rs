//! Kills for want of memory that no execution's end tells of: a process deeper in an execution's tree.
//!
//! Begun by `supervisor` with the first watcher; `execution` tells those that end an execution.

use std::{fs::File, path::PathBuf, time::Duration};

use boxlite_proto::v1::{OutOfMemory, box_event::Event};
use nix::sys::uio::pread;
use tokio::{io::Interest, time::sleep};

use crate::{execution::Executions, reactor};

/// How long an execution that died of it may take to say so itself: its memory goes first.
const CLAIM: Duration = Duration::from_secs(1);

/// The event for the execution `id`; empty where it can't be told.
pub(super) fn event(id: &str) -> Event {
    Event::Oom(OutOfMemory { execution_id: id.to_owned() })
}

/// Watches the counters of the container's group. The kernel wakes those who poll for priority data once they have read
/// the file (Linux `kernfs_generic_poll`).
pub(super) async fn watch_over(executions: Executions, memory_events: PathBuf) {
    let Ok(file) = File::open(memory_events) else { return };
    let Ok(file) = reactor::watch(file.into(), Interest::PRIORITY) else { return };
    loop {
        let _ = pread(file.get_ref(), &mut [0; 512], 0);
        let Ok(mut ready) = file.ready(Interest::PRIORITY).await else { return };
        ready.clear_ready();
        sleep(CLAIM).await;
        executions.report_oom("");
    }
}
