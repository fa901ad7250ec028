//! Collecting what a short command writes: all of it in memory, up to a bound.
//!
//! Called by `LiteBox::exec`, for callers that want no streams; reads an `Execution` as any reader does.

use std::time::Duration;

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_portal::{ExecEvent, ExitStatus};
use tokio::time::timeout;

use crate::litebox::executions::execution::Execution;

/// Bytes asked for at once.
const BATCH: usize = 256 * 1024;

/// How long the end of an execution that wrote too much is waited for. It was killed: a box that goes on lies.
const PATIENCE: Duration = Duration::from_secs(5);

/// All that a process wrote, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    /// Its standard output; with a terminal, its standard error too.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// The end; `None` where a stream was too long and the process was killed for it.
    pub exit: Option<ExitStatus>,
    /// The stream that was too long: it is cut at the bound.
    pub exceeded: Option<&'static str>,
}

impl Execution {
    /// Reads to the end, at most `max` bytes of each stream: one more ends every process of the execution.
    pub async fn collect(&self, max: usize) -> BoxliteResult<Collected> {
        let mut collected = Collected::default();
        while let Some(events) = self.recv(BATCH).await? {
            for event in events {
                collected.add(event, max);
                if collected.exceeded.is_some() {
                    self.end().await;
                    return Ok(collected);
                }
            }
            if collected.exit.is_some() {
                return Ok(collected);
            }
        }
        Err(BoxliteError::new(
            ErrorCode::Rpc,
            format!("collect {}: its output ended without an exit", self.id()),
        ))
    }

    /// Kills it, and waits for that while the box is honest.
    async fn end(&self) {
        let _ = timeout(PATIENCE, async {
            self.kill_all().await?;
            while self.recv(BATCH).await?.is_some() {}
            Ok::<_, BoxliteError>(())
        })
        .await;
    }
}

impl Collected {
    fn add(&mut self, event: ExecEvent, max: usize) {
        let (name, stream, data) = match event {
            ExecEvent::Stdout(data) => ("stdout", &mut self.stdout, data),
            ExecEvent::Stderr(data) => ("stderr", &mut self.stderr, data),
            ExecEvent::Exit(status) => {
                self.exit = Some(status);
                return;
            }
        };
        let room = max - stream.len();
        if data.len() > room {
            self.exceeded = Some(name);
        }
        if stream.is_empty() && data.len() <= room {
            // Taken over without a copy where nobody else holds it.
            *stream = data.into();
        } else {
            stream.extend_from_slice(data.get(..room).unwrap_or(&data));
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn stdout(text: &'static str) -> ExecEvent {
        ExecEvent::Stdout(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn exactly_the_bound_fits_and_one_byte_more_is_cut() {
        let mut collected = Collected::default();
        for text in ["12", "345"] {
            collected.add(stdout(text), 5);
        }
        assert_eq!((collected.stdout.as_slice(), collected.exceeded), (&b"12345"[..], None));
        collected.add(stdout("6"), 5);
        assert_eq!((collected.stdout.as_slice(), collected.exceeded), (&b"12345"[..], Some("stdout")));
    }

    #[test]
    fn a_single_piece_that_is_too_long_is_cut() {
        let mut collected = Collected::default();
        collected.add(stdout("123456"), 5);
        assert_eq!((collected.stdout.as_slice(), collected.exceeded), (&b"12345"[..], Some("stdout")));
        let mut collected = Collected::default();
        collected.add(ExecEvent::Stderr(Bytes::from_static(b"x")), 0);
        assert_eq!((collected.stderr.as_slice(), collected.exceeded), (&b""[..], Some("stderr")));
    }
}
