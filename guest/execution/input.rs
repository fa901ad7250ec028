//! An execution's standard input.
//!
//! Made by `start`; written by the Execution service for `SendInput`.

use std::io;

use nix::errno::Errno;

use super::{
    pipe::{self, Pipe},
    process::Execution,
};
use crate::{Context as _, Error, Kind, Result};

/// End of file, as a terminal in canonical mode takes it: VEOF, Ctrl-D.
const VEOF: u8 = 4;

/// Where input goes.
#[derive(Debug)]
pub(super) struct Input {
    pipe: Pipe,
    terminal: bool,
    /// Whether the last byte left a line unfinished: there, VEOF only ends the line's read, so it takes two.
    mid_line: bool,
    /// The latest feed, and how much of it was written.
    feed: String,
    fed: u64,
    /// Whether its end was typed at the terminal.
    ended: bool,
}

impl Input {
    pub(super) fn pipe(pipe: Pipe) -> Self {
        Self { pipe, terminal: false, mid_line: false, feed: String::new(), fed: 0, ended: false }
    }

    pub(super) fn terminal(pipe: Pipe) -> Self {
        Self { terminal: true, ..Self::pipe(pipe) }
    }

    /// Cancelling it loses no count: nothing is awaited after the write.
    async fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = pipe::write_some(&self.pipe, data).await?;
        self.fed += written as u64;
        if let Some(last) = data.get(..written).and_then(<[u8]>::last) {
            self.mid_line = !matches!(last, b'\n' | b'\r' | &VEOF);
        }
        Ok(written)
    }
}

/// Exclusive use of an execution's input: a second `SendInput` waits for the first.
#[derive(Debug)]
pub struct Writer<'a> {
    execution: &'a Execution,
    input: tokio::sync::MutexGuard<'a, Option<Input>>,
}

impl Execution {
    /// Takes the input, once the process has started.
    pub async fn input(&self) -> Result<Writer<'_>> {
        self.started().await?;
        Ok(Writer { execution: self, input: self.input.lock().await })
    }
}

impl Writer<'_> {
    /// Begins the feed `feed`, or goes on with it at its byte `offset`. Answers how many bytes from there on were written
    /// before.
    pub fn resume(&mut self, feed: &str, offset: u64) -> Result<u64> {
        // Without a pipe nothing is written any more, from whatever position.
        let Some(input) = self.input.as_mut() else { return Ok(u64::MAX) };
        if feed.is_empty() || offset == 0 && feed != input.feed {
            (input.feed, input.fed, input.ended) = (feed.to_owned(), 0, false);
        }
        match input.fed.checked_sub(offset) {
            Some(written) if feed == input.feed => Ok(written),
            _ => Err(Error::new(
                Kind::OutOfRange,
                format!(
                    "feed {} at byte {offset} of {feed:?}: the last byte written was {} of {:?}",
                    self.execution.id(),
                    input.fed,
                    input.feed
                ),
            )),
        }
    }

    /// Writes all of `data`, as fast as the process reads. Less is accepted when it closed its input or ended.
    pub async fn write(&mut self, data: &[u8]) -> Result<usize> {
        let mut accepted = 0;
        while let Some(rest) = data.get(accepted..).filter(|rest| !rest.is_empty()) {
            let Some(input) = self.input.as_mut() else { break };
            let written = tokio::select! {
                biased;
                written = input.write(rest) => written,
                _ = self.execution.wait() => break,
            };
            match written {
                Ok(count) => accepted += count,
                // EIO: a terminal that nobody holds any more.
                Err(error) if is_closed(&error) => *self.input = None,
                Err(error) => {
                    return Err(error).context(|| format!("write to stdin of {}", self.execution.id()));
                }
            }
        }
        Ok(accepted)
    }

    /// Ends the input: closes the pipe, or types Ctrl-D at the terminal, once for each feed.
    pub async fn finish(&mut self) -> Result<()> {
        let Some(input) = self.input.as_mut().filter(|input| input.terminal) else {
            *self.input = None;
            return Ok(());
        };
        if !std::mem::replace(&mut input.ended, true) {
            let end: &[u8] = if input.mid_line { &[VEOF, VEOF] } else { &[VEOF] };
            self.write(end).await?;
        }
        Ok(())
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EPIPE | Errno::EIO))
}
