//! OOM kills that are not the exit of an execution's first process, but of another of its processes.
//!
//! Started by `begin` with the first watcher. `execution` reports the others.

use std::{fs::File, path::PathBuf, time::Duration};

use boxlite_proto::v1::{OutOfMemory, box_event::Event};
use nix::sys::uio::pread;
use tokio::{io::Interest, time::sleep};

use crate::{execution::Executions, reactor};

/// How long the exit of an execution that was killed may take: its memory is freed first.
const CLAIM: Duration = Duration::from_secs(1);

/// The event for the execution `id`, which is empty if it is not known.
pub(super) fn event(id: &str) -> Event {
    Event::Oom(OutOfMemory { execution_id: id.to_owned() })
}

/// Watches the counters of the container's group. The kernel wakes a process that polls for priority data after it has read the
/// file (Linux `kernfs_generic_poll`).
pub(super) async fn watch(executions: Executions, memory_events: PathBuf) {
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
