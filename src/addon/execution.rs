//! `NativeExecution`: a process in a box. Wrapped by `lib/execution.ts`, calls `Execution`.
//!
//! Output is pulled: one `recv` hands over a batch, so JavaScript that stops calling it stops the process's writes.

use boxlite_runtime::{BoxliteError, BoxliteResult, ExecEvent, Execution, signal_name, signal_number};
use bytes::Bytes;
use napi::bindgen_prelude::{Buffer, Either};
use napi_derive::napi;

use crate::{
    answer::{Answer, answer, answer_while_there},
    environment::Owned,
};

/// A process in a box.
#[napi]
pub struct NativeExecution {
    execution: Execution,
    /// Present if the execution ends with the environment that started it.
    _owned: Option<Owned>,
}

impl NativeExecution {
    pub(crate) fn new(execution: Execution, owned: Option<Owned>) -> Self {
        Self { execution, _owned: owned }
    }
}

/// How a process ended.
#[napi(object, object_from_js = false)]
pub struct ExitStatus {
    /// The exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The name of the signal that ended it.
    pub signal: Option<String>,
    /// Set if it was ended for running longer than its `timeout_ms`.
    pub timed_out: Option<bool>,
    /// Set if the box's kernel ended it because memory ran out.
    pub oom_killed: Option<bool>,
}

impl From<boxlite_runtime::ExitStatus> for ExitStatus {
    fn from(status: boxlite_runtime::ExitStatus) -> Self {
        let boxlite_runtime::ExitStatus { code, signal, timed_out, oom_killed } = status;
        // Leave out what is seldom true, since each property costs time.
        let [timed_out, oom_killed] = [timed_out, oom_killed].map(|it| it.then_some(true));
        Self { code, signal: signal.map(signal_name), timed_out, oom_killed }
    }
}

/// Part of a batch: output of one stream, or the end.
#[napi(object, object_from_js = false)]
pub struct Chunk {
    /// `stdout`, `stderr` or `exit`.
    pub kind: &'static str,
    /// The bytes, of output.
    pub data: Option<Buffer>,
    /// The status, of the end.
    pub status: Option<ExitStatus>,
}

#[napi]
impl NativeExecution {
    /// The execution's identity in its box.
    #[napi(getter)]
    pub fn id(&self) -> String {
        self.execution.id().to_owned()
    }

    /// The process's number inside the box.
    #[napi(getter)]
    pub fn pid(&self) -> u32 {
        self.execution.pid()
    }

    /// Resolves with the next batch of about `max` bytes in the order of the writes, or `null` after the end.
    #[napi]
    pub fn recv(&self, max: u32) -> Answer {
        answer_while_there(&self.execution, async move |execution| {
            Ok(execution.recv(max as usize).await?.map(chunks))
        })
    }

    /// Writes to standard input; resolves when there is room for more.
    #[napi]
    pub fn write(&self, data: &[u8]) -> Answer {
        // Copied, since the caller may reuse its buffer as soon as the promise resolves.
        let data = Bytes::copy_from_slice(data);
        answer_while_there(&self.execution, async move |execution| execution.write(data).await)
    }

    /// Ends standard input.
    #[napi]
    pub fn close_stdin(&self) -> Answer {
        answer_while_there(&self.execution, async move |execution| execution.close_stdin().await)
    }

    /// Sends a signal, by its number or a name such as `SIGTERM`, to the process group; resolves `false` if it had ended.
    #[napi]
    pub fn kill(&self, signal: Either<String, i32>) -> Answer {
        answer(&self.execution, async move |execution| {
            let number = match signal {
                Either::A(name) => numbered(&name)?,
                Either::B(number) => number,
            };
            execution.kill(number).await
        })
    }

    /// Sends SIGKILL to every process of the execution; resolves `false` if it had ended.
    #[napi]
    pub fn kill_all(&self) -> Answer {
        answer(&self.execution, async move |execution| execution.kill_all().await)
    }

    /// Stops reading the output until the next `recv`.
    #[napi]
    pub fn detach(&self) -> Answer {
        answer(&self.execution, async move |execution| {
            execution.detach().await;
            Ok(())
        })
    }

    /// Sets the size of the terminal.
    #[napi]
    pub fn resize(&self, cols: u16, rows: u16) -> Answer {
        answer(&self.execution, async move |execution| execution.resize(cols, rows).await)
    }

    /// Waits for the end without reading output.
    #[napi]
    pub fn wait(&self) -> Answer {
        answer_while_there(&self.execution, async move |execution| {
            execution.wait().await.map(ExitStatus::from)
        })
    }
}

/// The number of a signal by its name, which begins with `SIG` as in Node.
fn numbered(name: &str) -> BoxliteResult<i32> {
    let number = if name.starts_with("SIG") { signal_number(name) } else { None };
    number.and_then(|number| i32::try_from(number).ok()).ok_or_else(|| {
        BoxliteError::invalid(format!(
            "execution.kill: argument `signal`: expected a name such as 'SIGTERM' or a number from 0 to 64, got '{name}'"
        ))
    })
}

/// Most bytes that are put together. Beyond that the copy costs more than another JavaScript value does.
const JOINED: usize = 32 * 1024;

/// Joins short neighbours of one stream: each JavaScript value costs microseconds, each byte next to nothing.
fn chunks(events: Vec<ExecEvent>) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut run: Option<(&'static str, Vec<u8>)> = None;
    for event in events {
        let (kind, bytes) = match event {
            ExecEvent::Stdout(bytes) => ("stdout", bytes),
            ExecEvent::Stderr(bytes) => ("stderr", bytes),
            ExecEvent::Exit(status) => {
                chunks.extend(run.take().map(output));
                chunks.push(Chunk { kind: "exit", data: None, status: Some(status.into()) });
                continue;
            }
        };
        match &mut run {
            Some((current, data)) if *current == kind && data.len() + bytes.len() <= JOINED => {
                data.extend_from_slice(&bytes);
            }
            // `Vec::from` copies only if the bytes are shared.
            _ => chunks.extend(run.replace((kind, Vec::from(bytes))).map(output)),
        }
    }
    chunks.extend(run.map(output));
    chunks
}

fn output((kind, data): (&'static str, Vec<u8>)) -> Chunk {
    Chunk { kind, data: Some(data.into()), status: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_the_names_that_node_has() {
        assert_eq!(["SIGINT", "SIGSYS"].map(|name| numbered(name).unwrap()), [2, 31]);
        for name in ["TERM", "SIGNOPE", "9", "sigterm", ""] {
            let error = numbered(name).unwrap_err().to_string();
            assert!(error.ends_with(&format!("or a number from 0 to 64, got '{name}'")), "{error}");
        }
    }

    #[test]
    fn neighbours_of_one_stream_are_joined_and_order_stays() {
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        let status =
            boxlite_runtime::ExitStatus { code: Some(3), signal: None, timed_out: false, oom_killed: false };
        let events = vec![
            ExecEvent::Stdout(bytes("a")),
            ExecEvent::Stdout(bytes("b")),
            ExecEvent::Stderr(bytes("c")),
            ExecEvent::Stdout(bytes("d")),
            ExecEvent::Exit(status),
        ];
        let joined: Vec<_> = chunks(events)
            .iter()
            .map(|chunk| (chunk.kind, chunk.data.as_deref().map(<[u8]>::to_vec)))
            .collect();
        assert_eq!(
            joined,
            [
                ("stdout", Some(b"ab".to_vec())),
                ("stderr", Some(b"c".to_vec())),
                ("stdout", Some(b"d".to_vec())),
                ("exit", None),
            ]
        );
    }
}
