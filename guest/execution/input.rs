//! An execution's standard input.
//!
//! Made by `start`; written by the Execution service for `SendInput`.

use std::io;

use nix::errno::Errno;

use super::{
    pipe::{self, Pipe},
    process::Execution,
};
use crate::{Context as _, Result};

/// End of file, as a terminal in canonical mode takes it: VEOF, Ctrl-D.
const VEOF: u8 = 4;

/// Where input goes.
#[derive(Debug)]
pub(super) struct Input {
    pipe: Pipe,
    terminal: bool,
    /// Whether the last byte left a line unfinished: there, VEOF only ends the line's read, so it takes two.
    mid_line: bool,
}

impl Input {
    pub(super) fn pipe(pipe: Pipe) -> Self {
        Self { pipe, terminal: false, mid_line: false }
    }

    pub(super) fn terminal(pipe: Pipe) -> Self {
        Self { pipe, terminal: true, mid_line: false }
    }

    async fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = pipe::write_some(&self.pipe, data).await?;
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

    /// Ends the input: closes the pipe, or types Ctrl-D at the terminal.
    pub async fn finish(&mut self) -> Result<()> {
        if let Some(input) = self.input.as_ref().filter(|input| input.terminal) {
            let end: &[u8] = if input.mid_line { &[VEOF, VEOF] } else { &[VEOF] };
            self.write(end).await?;
        } else {
            *self.input = None;
        }
        Ok(())
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EPIPE | Errno::EIO))
}
