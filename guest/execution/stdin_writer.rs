//! Writing to an execution's standard input: any number of hosts, each message whole, in the order of their arrival.
//!
//! Created by the Execution service for each `SendInput`; calls `pipe`.

use std::{io, mem};

use nix::errno::Errno;

use super::{
    pipe::{self, Pipe},
    state::Execution,
    stdin::{Stdin, StdinStream, Target, VEOF},
};
use crate::{Context as _, Error, Kind, Result};

/// One call's part of a stream.
pub struct StdinWriter<'a> {
    execution: &'a Execution,
    stream: StdinStream,
    /// Bytes to come that were written before.
    skip: u64,
}

impl Execution {
    /// Begins the stream `name`, or continues it at its byte `offset`, once the process has started.
    ///
    /// # Errors
    ///
    /// The program could not be started, or `offset` is beyond what was written.
    pub async fn write_stdin(&self, name: &str, offset: u64) -> Result<StdinWriter<'_>> {
        self.started().await?;
        let mut stdin = self.stdin.lock().await;
        let known = stdin.find(name).cloned();
        let mut stream =
            known.unwrap_or_else(|| StdinStream { name: name.to_owned(), ..StdinStream::default() });
        let skip = match stream.written.checked_sub(offset) {
            Some(skip) => skip,
            // Nothing is written any more, from whatever position.
            None if matches!(stdin.target, Target::Closed) => 0,
            None => {
                let (id, written) = (self.id(), stream.written);
                let what = format!("write to stdin of {id} at byte {offset}: the next byte due is {written}");
                return Err(Error::new(Kind::OutOfRange, what));
            }
        };
        stream.call = stdin.next_call();
        stdin.remember(&stream);
        Ok(StdinWriter { execution: self, stream, skip })
    }
}

impl StdinWriter<'_> {
    /// Writes all of `data` that was not written before, as fast as the process reads, and returns how many bytes were accepted.
    /// That is less than all if the process has closed its input or has ended.
    ///
    /// # Errors
    ///
    /// The execution has no input, its input was ended by another stream, or another call continues this one.
    pub async fn write(&mut self, data: &[u8]) -> Result<usize> {
        let known = usize::try_from(self.skip).unwrap_or(usize::MAX).min(data.len());
        let mut rest = data.get(known..).unwrap_or_default();
        let mut accepted = 0;
        if data.is_empty() {
            return Ok(accepted);
        }
        let execution = self.execution;
        let mut stdin = execution.stdin.lock().await;
        self.skip -= known as u64;
        while !rest.is_empty() {
            let Some(pipe) = self.target(&stdin)? else { break };
            let Some(written) = self.write_some(&pipe, rest).await else { break };
            match written {
                // Nothing was awaited since the write, so that cancelling this loses no count.
                Ok(count) => {
                    accepted += count;
                    self.stream.written += count as u64;
                    stdin.note_written(&self.stream, rest.get(..count).unwrap_or_default());
                    rest = rest.get(count..).unwrap_or_default();
                }
                // EIO is of a terminal that no process has open any more.
                Err(error) if is_closed(&error) => stdin.target = Target::Closed,
                Err(error) => return Err(error).context(|| format!("write to stdin of {}", execution.id())),
            }
        }
        Ok(accepted)
    }

    /// Ends the input: closes the pipe, or types Ctrl-D at the terminal, once for each stream.
    ///
    /// # Errors
    ///
    /// The terminal can't be written.
    pub async fn finish(&mut self) -> Result<()> {
        let mut stdin = self.execution.stdin.lock().await;
        let Target::Open(pipe) = &stdin.target else { return Ok(()) };
        let pipe = pipe.clone();
        if !stdin.terminal {
            stdin.target = Target::Ended(self.stream.name.clone());
            return Ok(());
        }
        if mem::replace(&mut self.stream.ended, true) {
            return Ok(());
        }
        stdin.remember(&self.stream);
        let mut end: &[u8] = if stdin.mid_line { &[VEOF, VEOF] } else { &[VEOF] };
        while let Some(written) = self.write_some(&pipe, end).await {
            match written {
                Ok(count) => end = end.get(count..).unwrap_or_default(),
                Err(error) if is_closed(&error) => break,
                failed => failed.map(drop).context(|| format!("end the stdin of {}", self.execution.id()))?,
            }
            if end.is_empty() {
                break;
            }
        }
        stdin.mid_line = false;
        Ok(())
    }

    /// Where to write. `None` if nothing is accepted any more, which is no error.
    fn target(&self, stdin: &Stdin) -> Result<Option<Pipe>> {
        let execution = self.execution;
        let pipe = match &stdin.target {
            Target::Open(pipe) => pipe.clone(),
            Target::Closed => return Ok(None),
            _ if execution.has_ended() => return Ok(None),
            Target::Ended(by) if *by == self.stream.name && !by.is_empty() => return Ok(None),
            Target::None => return Err(closed(execution, "it was started without")),
            Target::Ended(_) => return Err(closed(execution, "it was ended through another handle")),
        };
        if stdin.find(&self.stream.name).is_some_and(|latest| latest.call != self.stream.call) {
            return Err(closed(execution, "another call continues this stream"));
        }
        Ok(Some(pipe))
    }

    /// Writes some of `data`. `None` if the process ends before.
    async fn write_some(&self, pipe: &Pipe, data: &[u8]) -> Option<io::Result<usize>> {
        tokio::select! {
            biased;
            written = pipe::write_some(pipe, data) => Some(written),
            _ = self.execution.wait() => None,
        }
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EPIPE | Errno::EIO))
}

fn closed(execution: &Execution, why: &str) -> Error {
    Error::new(Kind::InputClosed, format!("write to the standard input of {}: {why}", execution.id()))
}
