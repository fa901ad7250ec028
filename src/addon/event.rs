//! `NativeEvents`: events of boxes and images. Wrapped by `lib/events.ts`, calls `EventStream`.

use std::sync::Arc;

use boxlite_runtime::{BoxState, EventKind, EventStream, ExitStatus, Limit, PullPhase, signal_name};
use napi::{
    Status,
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;

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
    pub fn drain(&self) -> Option<Vec<NativeEvent>> {
        Some(self.0.drain()?.iter().map(|event| NativeEvent::from(&**event)).collect())
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

/// One event; which fields are there depends on `kind`.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativeEvent {
    /// The kind that `lib/event.ts` distinguishes.
    pub kind: &'static str,
    /// Milliseconds since 1970.
    pub time_ms: f64,
    /// The box.
    pub box_id: Option<String>,
    /// The state before.
    pub from: Option<&'static str>,
    /// The state now.
    pub to: Option<&'static str>,
    /// Why it failed.
    pub failure: Option<String>,
    /// The execution.
    pub execution_id: Option<String>,
    /// Its program.
    pub command: Option<String>,
    /// Its pid in the box.
    pub pid: Option<u32>,
    /// The exit code.
    pub code: Option<i32>,
    /// The name of the signal that ended it.
    pub signal: Option<String>,
    /// Whether it timed out.
    pub timed_out: Option<bool>,
    /// Whether it was killed because memory ran out.
    pub oom_killed: Option<bool>,
    /// How often it was started again.
    pub restarts: Option<u32>,
    /// Whether it will be started again.
    pub restarting: Option<bool>,
    /// The box's health.
    pub health: Option<&'static str>,
    /// The last check's output.
    pub output: Option<String>,
    /// Checks that failed in a row.
    pub failures: Option<u32>,
    /// The option whose limit was reached.
    pub limit: Option<&'static str>,
    /// The image as the caller named it.
    pub source: Option<String>,
    /// Of its manifest.
    pub digest: Option<String>,
    /// The code of the error.
    pub error_code: Option<&'static str>,
    /// Its text.
    pub message: Option<String>,
    /// How many were lost.
    pub count: Option<i64>,
}

impl From<&boxlite_runtime::Event> for NativeEvent {
    fn from(event: &boxlite_runtime::Event) -> Self {
        let mut this = Self::of(&event.kind);
        #[expect(clippy::cast_precision_loss, reason = "exact for the next 285 thousand years")]
        {
            this.time_ms = event.time_ms as f64;
        }
        this.box_id.clone_from(&event.box_id);
        this
    }
}

impl NativeEvent {
    fn of(kind: &EventKind) -> Self {
        let new = |kind| Self { kind, ..Self::default() };
        match kind.clone() {
            EventKind::State { from, to, failure } => Self {
                from: from.map(BoxState::as_str),
                to: Some(to.map_or("removed", BoxState::as_str)),
                failure,
                ..new("state")
            },
            EventKind::ExecStarted { execution_id, command, pid } => Self {
                execution_id: Some(execution_id),
                command: Some(command),
                pid: Some(pid),
                ..new("execStarted")
            },
            EventKind::ExecExited { execution_id, exit } => {
                let ExitStatus { code, signal, timed_out, oom_killed, .. } = exit;
                Self {
                    execution_id: Some(execution_id),
                    code,
                    signal: signal.map(signal_name),
                    timed_out: Some(timed_out),
                    oom_killed: Some(oom_killed),
                    ..new("execExited")
                }
            }
            EventKind::MainStarted { pid, restarts } => {
                Self { pid: Some(pid), restarts: Some(restarts), ..new("mainStarted") }
            }
            EventKind::MainExited(exit) => Self {
                code: exit.code,
                signal: exit.signal.map(signal_name),
                oom_killed: Some(exit.oom),
                restarting: Some(exit.restarts),
                ..new("mainExited")
            },
            EventKind::Health(change) => Self {
                health: Some(change.health.as_str()),
                output: Some(change.output),
                failures: Some(change.failures),
                ..new("health")
            },
            EventKind::OutOfMemory { execution_id } => Self { execution_id, ..new("oom") },
            EventKind::Limit(limit) => Self {
                limit: Some(match limit {
                    Limit::MaxLifetime => "maxLifetimeMs",
                    Limit::IdleTimeout => "idleTimeoutMs",
                    Limit::EndsAt => "endsAt",
                }),
                ..new("limit")
            },
            EventKind::Pull { source, phase } => {
                let of = |kind| Self { source: Some(source), ..new(kind) };
                match phase {
                    PullPhase::Started => of("pullStarted"),
                    PullPhase::Done { digest } => Self { digest: Some(digest), ..of("pullDone") },
                    PullPhase::Failed { code, message } => {
                        Self { error_code: Some(code.as_str()), message: Some(message), ..of("pullFailed") }
                    }
                }
            }
            EventKind::Lost(count) => {
                Self { count: Some(i64::try_from(count).unwrap_or(i64::MAX)), ..new("lost") }
            }
        }
    }
}
