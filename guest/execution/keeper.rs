//! Reads a detached execution while nobody else does, so that it is never held back: the last bytes are kept.
//!
//! Started by `start`, and by `supervision` at the main process's end; reads `output`'s streams.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    attachment::{PATIENCE, QUIET},
    pipe::{self, Pipe},
    process::Execution,
    purpose::Purpose,
};

/// Keeps reading until both streams or the execution have ended; what is left then waits for an `Attach`.
pub(super) async fn keep(execution: Arc<Execution>) {
    while !execution.has_ended() {
        if execution.is_attached() {
            execution.reader_changed.notified().await;
            continue;
        }
        if let Purpose::Main(tap) = &execution.purpose {
            tap.room().await;
        }
        let [stdout, stderr] = pipes(&execution);
        if stdout.is_none() && stderr.is_none() {
            return;
        }
        tokio::select! {
            biased;
            () = execution.reader_changed.notified() => {}
            _ = execution.wait() => {}
            () = readable(stdout.as_ref()), if stdout.is_some() => take(&execution, 0),
            () = readable(stderr.as_ref()), if stderr.is_some() => take(&execution, 1),
        }
    }
}

/// After the end: reads what its streams still hold, for those who hear them, and closes them.
pub(super) async fn finish(execution: &Arc<Execution>) {
    let give_up = Instant::now() + PATIENCE;
    let mut quiet_at = Instant::now() + QUIET;
    loop {
        if execution.is_attached() {
            // Its reader hears to the end. One that does not read holds nothing up.
            if timeout_at(give_up, execution.reader_changed.notified()).await.is_err() {
                break;
            }
            continue;
        }
        let before = ends(execution);
        (0..2).for_each(|index| take(execution, index));
        let [stdout, stderr] = pipes(execution);
        if stdout.is_none() && stderr.is_none() || Instant::now() >= give_up {
            break;
        }
        if ends(execution) != before {
            quiet_at = Instant::now() + QUIET;
            continue;
        }
        tokio::select! {
            () = sleep_until(quiet_at.min(give_up)) => break,
            () = execution.reader_changed.notified() => {}
            () = readable(stdout.as_ref()), if stdout.is_some() => {}
            () = readable(stderr.as_ref()), if stderr.is_some() => {}
        }
    }
    execution.streams().iter_mut().for_each(|stream| stream.pipe = None);
}

fn pipes(execution: &Execution) -> [Option<Pipe>; 2] {
    execution.streams().each_ref().map(|stream| stream.pipe.clone())
}

/// How much was read of each stream.
fn ends(execution: &Execution) -> [u64; 2] {
    execution.streams().each_ref().map(|stream| stream.replay.end())
}

async fn readable(pipe: Option<&Pipe>) {
    if let Some(pipe) = pipe {
        // An error shows again when it is read.
        let _ = pipe.readable().await.map(drop);
    }
}

/// Reads what is there, unless a reader has come: it would miss bytes that are taken after it looked at the replay.
fn take(execution: &Execution, index: usize) {
    let mut streams = execution.streams();
    if execution.is_attached() {
        return;
    }
    let Some(stream) = streams.get_mut(index) else { return };
    if let Some(bytes) = stream.pipe.as_ref().and_then(pipe::take) {
        stream.took(&bytes);
    }
}
