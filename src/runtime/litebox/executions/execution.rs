//! `Execution`: one process in a box, with its streams. Made by `LiteBox::spawn`, held by the caller.
//!
//! Output is pulled. A caller that does not pull stops the writer in the box through HTTP/2 flow control, so nothing is lost and
//! at most `limits::STREAM_WINDOW` bytes wait here.

use std::{
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use boxlite_error::{BoxliteError, BoxliteResult};
use boxlite_portal::{ExecEvent, ExecutionInterface, ExitStatus, LAST_SIGNAL, OutputStream};
use bytes::Bytes;
use futures::FutureExt;
use tokio::{
    runtime::Handle,
    sync::{Mutex, Notify},
    time::timeout,
};

use crate::{
    events::EventKind,
    home::metrics::RuntimeMetrics,
    in_context::in_context,
    litebox::{
        executions::{output::Output, stdin::Stdin},
        lifecycle::machine::Machine,
    },
};

/// How long a `recv` under way has to give the output back to `detach` before it is notified again.
const DETACHING: Duration = Duration::from_millis(20);

const SIGKILL: i32 = 9;

/// The means to end an execution. It holds nothing of the execution's output.
#[derive(Debug, Clone)]
pub struct ExecutionKiller {
    id: String,
    interface: ExecutionInterface,
    handle: Handle,
}

/// One process in a box. Clones share it.
#[derive(Debug, Clone)]
pub struct Execution {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    killer: ExecutionKiller,
    pid: u32,
    machine: Arc<Machine>,
    metrics: Arc<RuntimeMetrics>,
    output: Mutex<Output>,
    stdin: Mutex<Stdin>,
    exit: OnceLock<ExitStatus>,
    /// Ends a `recv` that waits.
    detached: Notify,
}

impl Execution {
    /// The execution `id` of `machine`. Without `stdin`, what is written is dropped; `timeout_ms` is that of its options.
    pub(crate) fn new(
        machine: Arc<Machine>,
        metrics: Arc<RuntimeMetrics>,
        id: String,
        pid: u32,
        output: OutputStream,
        stdin: bool,
        timeout_ms: u64,
    ) -> Self {
        let (interface, handle) = (machine.session.execution(), machine.handle.clone());
        let inner = Inner {
            killer: ExecutionKiller { id, interface, handle },
            pid,
            machine,
            metrics,
            output: Mutex::new(Output::new(output, timeout_ms)),
            stdin: Mutex::new(if stdin { Stdin::Unopened } else { Stdin::Closed }),
            exit: OnceLock::new(),
            detached: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The id that names it in its box.
    pub fn id(&self) -> &str {
        &self.inner.killer.id
    }

    /// Its pid inside the box.
    pub fn pid(&self) -> u32 {
        self.inner.pid
    }

    /// Waits for output or the end, and returns what is there, in order, up to about `max` bytes. Returns `None` after the exit
    /// was given, and if [`detach`](Self::detach) is called meanwhile. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `PORTAL_LOST` if the connection is lost for good, `EXEC_OUTPUT_LOST` if the box no longer has the next bytes, `RPC` if the
    /// guest breaks the protocol.
    pub async fn recv(&self, max: usize) -> BoxliteResult<Option<Vec<ExecEvent>>> {
        // Pinned here, since `explained` would move its kilobytes from layer to layer.
        self.inner.machine.explained(pin!(self.inner.recv(max))).await
    }

    /// Writes to standard input; resolves when there is room for more. What a process does not read any more is dropped, as in a
    /// pipe to a process that has ended.
    ///
    /// # Errors
    /// `EXEC_INPUT_CLOSED` if another handle has ended the input, `PORTAL_LOST` if the connection is lost for good.
    pub async fn write(&self, data: Bytes) -> BoxliteResult<()> {
        let mut stdin = self.inner.stdin.lock().await;
        let ExecutionKiller { id, interface, .. } = &self.inner.killer;
        let bytes = self.inner.machine.explained(stdin.write(data, interface, id)).await? as u64;
        self.inner.metrics.count(|counters| counters.total_bytes_transferred += bytes);
        Ok(())
    }

    /// Closes standard input after what was written; resolves when the box has taken all of it, or the process takes no more.
    ///
    /// # Errors
    /// As of [`write`](Self::write).
    pub async fn close_stdin(&self) -> BoxliteResult<()> {
        let mut stdin = self.inner.stdin.lock().await;
        let ExecutionKiller { id, interface, .. } = &self.inner.killer;
        self.inner.machine.explained(stdin.close(interface, id)).await
    }

    /// Stops reading the output, so that a detached execution runs on unhindered. The next `recv` attaches again.
    pub async fn detach(&self) {
        loop {
            // A `recv` that has not begun to wait yet misses the notification and gets the next one.
            self.inner.detached.notify_waiters();
            let output = async { timeout(DETACHING, self.inner.output.lock()).await };
            if let Ok(mut output) = in_context(&self.inner.machine.handle, output).await {
                return output.detach();
            }
        }
    }

    /// Whether its end is known here.
    pub fn has_ended(&self) -> bool {
        self.inner.exit.get().is_some()
    }

    /// What ends it without holding its streams.
    pub fn killer(&self) -> ExecutionKiller {
        self.inner.killer.clone()
    }

    /// Ends every process of it with SIGKILL, also those that left its process group. Returns false if it had ended before.
    ///
    /// # Errors
    /// `PORTAL_LOST` and `GUEST_TIMEOUT` if the guest can't be reached.
    pub async fn kill_all(&self) -> BoxliteResult<bool> {
        self.signal(SIGKILL, true).await
    }

    /// Sends the signal with this number, 0 to 64, to the process group; 0 sends nothing. Returns false if it had ended before.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if there is no such signal, `PORTAL_LOST` and `GUEST_TIMEOUT` if the guest can't be reached.
    pub async fn kill(&self, signal: i32) -> BoxliteResult<bool> {
        self.signal(signal, false).await
    }

    async fn signal(&self, signal: i32, all: bool) -> BoxliteResult<bool> {
        if !(0..=LAST_SIGNAL).contains(&signal) {
            return Err(BoxliteError::invalid(format!("argument `signal`: must be 0 to 64: {signal}")));
        }
        if self.has_ended() {
            return Ok(false);
        }
        self.inner.killer.signal(signal, all).await
    }

    /// Sets the size of its terminal, in characters.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if it has no terminal, `PORTAL_LOST` and `GUEST_TIMEOUT` if the guest can't be reached.
    pub async fn resize(&self, cols: u16, rows: u16) -> BoxliteResult<()> {
        let ExecutionKiller { id, interface, handle } = &self.inner.killer;
        in_context(handle, interface.resize(id, cols, rows)).await
    }

    /// Waits for the end without reading output: a process that waits for a reader never ends.
    ///
    /// # Errors
    /// `PORTAL_LOST` if the connection is lost for good, `RPC` if the guest breaks the protocol.
    pub async fn wait(&self) -> BoxliteResult<ExitStatus> {
        if let Some(exit) = self.inner.exit.get() {
            return Ok(*exit);
        }
        let ExecutionKiller { id, interface, .. } = &self.inner.killer;
        match self.inner.machine.explained(interface.wait(id)).await {
            Ok(exit) => Ok(self.inner.ended(exit)),
            // The exit may have come with the output in the meantime.
            Err(error) => self.inner.exit.get().copied().ok_or(error),
        }
    }
}

impl ExecutionKiller {
    /// Ends every process of the execution; see [`Execution::kill_all`].
    ///
    /// # Errors
    /// `PORTAL_LOST` and `GUEST_TIMEOUT` if the guest can't be reached.
    pub async fn kill_all(&self) -> BoxliteResult<bool> {
        self.signal(SIGKILL, true).await
    }

    async fn signal(&self, signal: i32, all: bool) -> BoxliteResult<bool> {
        in_context(&self.handle, self.interface.kill(&self.id, signal, all)).await
    }
}

impl Inner {
    /// See [`Execution::recv`].
    async fn recv(&self, max: usize) -> BoxliteResult<Option<Vec<ExecEvent>>> {
        let mut output = self.output.lock().await;
        let mut events = Vec::new();
        let mut size = 0;
        while size < max {
            // The first event is waited for; the rest is what has already come.
            let next = if events.is_empty() {
                tokio::select! {
                    next = self.next(&mut output) => next,
                    () = self.detached.notified() => return Ok(None),
                }
            } else {
                match self.next(&mut output).now_or_never() {
                    Some(next) => next,
                    None => break,
                }
            };
            match next {
                Ok(Some(event)) => {
                    size += event.size();
                    events.push(event);
                }
                Ok(None) => break,
                Err(failure) if events.is_empty() => return Err(failure),
                Err(failure) => {
                    output.put_back(failure);
                    break;
                }
            }
        }
        Ok((!events.is_empty()).then_some(events))
    }

    /// The next event, or `None` after the exit. Dropping the future loses nothing.
    async fn next(&self, output: &mut Output) -> BoxliteResult<Option<ExecEvent>> {
        let next = output.next(|| self.machine.outcome().is_none()).await?;
        if let Some(event) = &next {
            let bytes = event.size() as u64;
            self.metrics.count(|counters| counters.total_bytes_transferred += bytes);
            if let ExecEvent::Exit(exit) = event {
                self.ended(*exit);
            }
        }
        Ok(next)
    }

    /// Keeps the exit and emits the events about it, once, whichever call learned of it.
    fn ended(&self, exit: ExitStatus) -> ExitStatus {
        *self.exit.get_or_init(|| {
            let watcher = &self.machine.watcher;
            let execution_id = || self.killer.id.clone();
            watcher.emit(|| EventKind::ExecExited { execution_id: execution_id(), exit });
            // A guest that is watched sends this event itself.
            if exit.oom_killed && !watcher.is_watched() {
                watcher.emit(|| EventKind::OutOfMemory { execution_id: Some(execution_id()) });
            }
            exit
        })
    }
}
