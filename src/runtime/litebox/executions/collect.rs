//! Collects what a command writes: all of it in memory, up to a bound, while its input is fed and until its caller cancels it.
//!
//! Called by `LiteBox::exec`, for callers that want no streams. It reads an `Execution` as any reader does, and turns what the
//! options don't allow into an error that carries the output so far.

use std::{fmt, future::pending, time::Duration};

use boxlite_error::{BoxliteError, ErrorCode, Term, text};
use boxlite_portal::{ExecEvent, ExitStatus};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::{pin, time::timeout};

use crate::{
    litebox::{append::append, executions::execution::Execution},
    options::signal,
};

/// Bytes asked for at once.
const BATCH: usize = 256 * 1024;

/// How long the end of an execution that wrote too much is awaited. It was killed, so a box that goes on lies.
const KILLED: Duration = Duration::from_secs(5);

/// Most characters of a command's last line in a message.
const LAST_LINE: usize = 200;

/// How to collect what a command writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CollectOptions {
    /// Whether any end but exit code 0 is an error. Default: false.
    pub check: bool,
    /// Most bytes of each of stdout and stderr; one more ends the process. Default: 64 MiB.
    pub max_buffer: usize,
    /// What messages call the command. Default: its `command`.
    pub title: Option<String>,
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self { check: false, max_buffer: 64 << 20, title: None }
    }
}

/// All that a process wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    /// Its standard output; with a terminal, its standard error too.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// How it ended; `None` in an [`ExecFailure`] that came before the end.
    pub exit: Option<ExitStatus>,
}

/// Why a command did not do what its options ask for, and what it had written until then.
#[derive(Debug, Clone)]
pub struct ExecFailure {
    /// The reason.
    pub error: BoxliteError,
    /// What had been collected.
    pub collected: Collected,
}

impl fmt::Display for ExecFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for ExecFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl From<BoxliteError> for ExecFailure {
    fn from(error: BoxliteError) -> Self {
        Self { error, collected: Collected::default() }
    }
}

impl From<ExecFailure> for BoxliteError {
    fn from(failure: ExecFailure) -> Self {
        failure.error
    }
}

/// The error of a command that its caller cancelled.
pub(super) fn cancelled() -> BoxliteError {
    BoxliteError::new(ErrorCode::Aborted, "the operation was aborted")
}

/// Collects what `execution` writes until it ends or `cancel` resolves; everything of `stdin` is written to it meanwhile. Messages
/// call it `title`, and `timeout_ms` is the timeout that it was started with.
pub(crate) async fn collect(
    execution: &Execution,
    options: &CollectOptions,
    title: &str,
    timeout_ms: u64,
    stdin: impl Stream<Item = Bytes>,
    cancel: impl Future<Output = ()>,
) -> Result<Collected, ExecFailure> {
    let mut collected = Collected::default();
    let read = tokio::select! {
        biased;
        read = collected.read(execution, options.max_buffer) => read,
        () = feed(execution, stdin) => Ok(None),
        () = cancel => {
            let killer = execution.killer();
            // Nobody is left to learn of a box that can't be reached.
            tokio::spawn(async move { drop(killer.kill_all().await) });
            Err(cancelled())
        }
    };
    let failure = read.map_or_else(Some, |exceeded| options.failure(&collected, exceeded, title, timeout_ms));
    match failure {
        None => Ok(collected),
        Some(error) => Err(ExecFailure { error, collected }),
    }
}

impl CollectOptions {
    /// What the options make of a command that wrote too much to a stream, or has ended.
    fn failure(
        &self,
        collected: &Collected,
        exceeded: Option<&str>,
        title: &str,
        timeout_ms: u64,
    ) -> Option<BoxliteError> {
        if let Some(stream) = exceeded {
            let message = format!("command `{title}`: {stream} exceeds {} bytes", self.max_buffer);
            return Some(BoxliteError::new(ErrorCode::ExecMaxBuffer, message).hint(text![
                "raise ",
                Term::Option("max_buffer"),
                ", or read the output as it comes with ",
                Term::BoxSpawn
            ]));
        }
        let exit = collected.exit?;
        if exit.timed_out {
            let message = format!("command `{title}`: ran longer than {timeout_ms} ms");
            let hint = text!["raise ", Term::Option("timeout_ms"), ", or leave it out"];
            return Some(BoxliteError::new(ErrorCode::ExecTimeout, message).hint(hint));
        }
        (self.check && exit.code != Some(0)).then(|| {
            let message = format!("command `{title}`: {}", ending(exit, &collected.stderr));
            BoxliteError::new(ErrorCode::ExecNonZero, message)
        })
    }
}

/// How it ended, and the last line that it wrote to standard error, which most often says why.
fn ending(exit: ExitStatus, stderr: &[u8]) -> String {
    let how = match exit.signal {
        Some(number) if exit.oom_killed => format!("ended by {}, out of memory", signal::name(number)),
        Some(number) => format!("ended by {}", signal::name(number)),
        None => format!("exited with code {}", exit.code.unwrap_or_default()),
    };
    let stderr = stderr.trim_ascii_end();
    let line = stderr.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    // Most of a very long line is left out before it is decoded.
    let line = String::from_utf8_lossy(&line[..line.len().min(64 * LAST_LINE)]);
    let last: String = line.trim().chars().take(LAST_LINE).collect();
    if last.is_empty() { how } else { format!("{how}: {last}") }
}

/// Writes all of `stdin`, and ends the input. Never resolves: the output says what became of the process, also where writing fails.
async fn feed(execution: &Execution, stdin: impl Stream<Item = Bytes>) {
    pin!(stdin);
    while let Some(data) = stdin.next().await {
        if execution.write(data).await.is_err() {
            break;
        }
    }
    let _ = execution.close_stdin().await;
    pending::<()>().await;
}

impl Collected {
    /// Reads to the end, at most `max` bytes of each stream. Returns the stream that has one more; then every process of the
    /// execution is killed.
    async fn read(
        &mut self,
        execution: &Execution,
        max: usize,
    ) -> Result<Option<&'static str>, BoxliteError> {
        while let Some(events) = execution.recv(BATCH).await? {
            for event in events {
                let fits = match event {
                    ExecEvent::Stdout(data) => {
                        append(&mut self.stdout, data, max).then_some(()).ok_or("stdout")
                    }
                    ExecEvent::Stderr(data) => {
                        append(&mut self.stderr, data, max).then_some(()).ok_or("stderr")
                    }
                    ExecEvent::Exit(exit) => {
                        self.exit = Some(exit);
                        return Ok(None);
                    }
                };
                if let Err(stream) = fits {
                    end(execution).await;
                    return Ok(Some(stream));
                }
            }
        }
        let message = format!("collect {}: its output ended without an exit", execution.id());
        Err(BoxliteError::new(ErrorCode::Rpc, message))
    }
}

/// Kills an execution, and waits for its end for [`KILLED`] at most.
async fn end(execution: &Execution) {
    let _ = timeout(KILLED, async {
        execution.kill_all().await?;
        while execution.recv(BATCH).await?.is_some() {}
        Ok::<_, BoxliteError>(())
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32, stderr: &str) -> Collected {
        let exit = ExitStatus { code: Some(code), signal: None, timed_out: false, oom_killed: false };
        Collected { stdout: b"o".to_vec(), stderr: stderr.into(), exit: Some(exit) }
    }

    fn failure(options: &CollectOptions, collected: &Collected, exceeded: Option<&str>) -> Option<String> {
        let error = options.failure(collected, exceeded, "ls", 50)?;
        Some(format!("{}: {error}", error.code().as_str()))
    }

    #[test]
    fn check_refuses_what_is_not_zero_with_the_last_line() {
        let options = CollectOptions { check: true, ..CollectOptions::default() };
        assert_eq!(failure(&options, &ended(0, "x"), None), None);
        assert_eq!(failure(&CollectOptions::default(), &ended(2, "x"), None), None);
        let refused = failure(&options, &ended(2, "one\nno such file\n\n"), None).unwrap();
        assert_eq!(refused, "EXEC_NON_ZERO: command `ls`: exited with code 2: no such file");
        assert_eq!(
            failure(&options, &ended(1, ""), None).unwrap(),
            "EXEC_NON_ZERO: command `ls`: exited with code 1"
        );
        let mut killed = ended(0, "");
        killed.exit = Some(ExitStatus { code: None, signal: Some(9), timed_out: false, oom_killed: true });
        let refused = failure(&options, &killed, None).unwrap();
        assert_eq!(refused, "EXEC_NON_ZERO: command `ls`: ended by SIGKILL, out of memory");
    }

    #[test]
    fn a_timeout_and_too_much_output_are_refused_without_check() {
        let options = CollectOptions { max_buffer: 5, ..CollectOptions::default() };
        let mut late = ended(0, "");
        late.exit = Some(ExitStatus { code: None, signal: Some(15), timed_out: true, oom_killed: false });
        assert_eq!(
            failure(&options, &late, None).unwrap(),
            "EXEC_TIMEOUT: command `ls`: ran longer than 50 ms"
        );
        let refused = failure(&options, &Collected::default(), Some("stdout")).unwrap();
        assert_eq!(refused, "EXEC_MAX_BUFFER: command `ls`: stdout exceeds 5 bytes");
    }

    #[test]
    fn a_last_line_is_bounded() {
        let exit = ended(1, "").exit.unwrap();
        let shown = ending(exit, "ü".repeat(1 << 20).as_bytes());
        assert_eq!(shown.chars().count(), "exited with code 1: ".len() + LAST_LINE);
    }
}
