//! `NativeEvents`: events of boxes and images. Wrapped by `lib/events.ts`, calls `EventStream`.

use std::sync::Arc;

use boxlite_runtime::{Event, EventKind, EventStream, signal_name};
use napi::{
    Error, Result, Status,
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use serde::Serialize;

use crate::plain::Plain;

/// A callback on Node's thread for when there are events to drain. It does not keep Node alive.
pub(crate) type Wake = ThreadsafeFunction<(), (), (), Status, false, true, 0>;

/// A reader of events; dropping it closes it.
#[napi]
pub struct NativeEvents(Arc<EventStream>);

impl NativeEvents {
    /// Starts a task that wakes the reader. Must be called on the pool.
    pub(crate) fn start(stream: EventStream, wake: Wake) -> Self {
        let stream = Arc::new(stream);
        let notified = Arc::clone(&stream);
        tokio::spawn(async move {
            notified
                .notify(|| {
                    // An ended environment is not woken.
                    let _ = wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
                })
                .await;
        });
        Self(stream)
    }
}

#[napi]
impl NativeEvents {
    /// Returns the events since the last call, or `null` when none can follow.
    #[napi]
    pub fn drain(&self) -> Result<Option<Plain>> {
        let plain = |events: Vec<_>| Plain::of(events.into_iter().map(NativeEvent::from).collect::<Vec<_>>());
        self.0.drain().map(plain).transpose().map_err(|error| Error::from_reason(error.to_string()))
    }

    /// Closes the reader.
    #[napi]
    pub fn close(&self) {
        self.0.close();
    }
}

impl Drop for NativeEvents {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// An event with the name of the signal that ended its process, if one did.
#[derive(Serialize)]
struct NativeEvent {
    #[serde(flatten)]
    event: Event,
    signal: Option<String>,
}

impl From<Arc<Event>> for NativeEvent {
    fn from(event: Arc<Event>) -> Self {
        let signal = match &event.kind {
            EventKind::ExecExited { exit, .. } => exit.signal,
            EventKind::MainExited(exit) => exit.signal,
            _ => None,
        };
        Self { event: Arc::unwrap_or_clone(event), signal: signal.map(signal_name) }
    }
}
