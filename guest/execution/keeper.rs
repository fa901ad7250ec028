//! Reads a detached execution while nobody else does, so that it is never held back: the last bytes are kept.
//!
//! Started by `start`; reads `output`'s streams.

use std::sync::Arc;

use super::{
    pipe::{self, Pipe},
    process::Execution,
};

/// Keeps reading until both streams or the execution have ended; what is left then waits for an `Attach`.
pub(super) async fn keep(execution: Arc<Execution>) {
    while !execution.has_ended() {
        if execution.is_attached() {
            execution.readers.notified().await;
            continue;
        }
        let [stdout, stderr] = execution.streams().each_ref().map(|stream| stream.pipe.clone());
        if stdout.is_none() && stderr.is_none() {
            return;
        }
        tokio::select! {
            biased;
            () = execution.readers.notified() => {}
            _ = execution.wait() => {}
            () = readable(stdout.as_ref()), if stdout.is_some() => take(&execution, 0),
            () = readable(stderr.as_ref()), if stderr.is_some() => take(&execution, 1),
        }
    }
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
