//! The background drain: reads a detached execution while it has no reader, so that it is never held back. Its last bytes are
//! kept.
//!
//! Started by `start`, and by `supervision` at the main process's end; calls `drain`.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    drain::{Drain, GIVE_UP},
    purpose::Purpose,
    state::Execution,
};

const BOTH: [bool; 2] = [true; 2];

/// Reads until both streams or the execution have ended. What is left then waits for an `Attach`.
pub(super) async fn read_unattended(execution: Arc<Execution>) {
    let mut drain = Drain::new(Arc::clone(&execution));
    while !execution.has_ended() {
        if execution.is_attached() {
            execution.reader_changed.notified().await;
            continue;
        }
        if let Purpose::Main(tap) = &execution.purpose {
            tap.room().await;
        }
        if !drain.is_open() {
            return;
        }
        let index = tokio::select! {
            biased;
            () = execution.reader_changed.notified() => continue,
            _ = execution.wait() => continue,
            index = drain.readable(BOTH) => index,
        };
        // A reader that has come would miss bytes that are taken after it looked at the replay buffer.
        drain.take(index, |_| !execution.is_attached());
    }
}

impl Execution {
    /// After its end: waits until what it wrote was read or its time is up, and closes its streams. Reads it if nobody else does.
    pub async fn finish(self: &Arc<Self>) {
        let give_up = Instant::now() + GIVE_UP;
        let mut drain = Drain::new(Arc::clone(self));
        drain.note_exit();
        loop {
            if self.is_attached() {
                // Its reader reads to the end. One that does not read holds nothing up.
                if timeout_at(give_up, self.reader_changed.notified()).await.is_err() {
                    break;
                }
                continue;
            }
            for index in drain.order() {
                drain.take(index, |_| !self.is_attached());
            }
            let Some(deadline) = drain.deadline().filter(|_| !drain.is_over()) else { break };
            tokio::select! {
                () = sleep_until(deadline) => {}
                () = self.reader_changed.notified() => {}
                _ = drain.readable(BOTH) => {}
            }
        }
        drain.close(self.ends());
    }
}
