//! An execution's standard input, and the feeds that write to it: any number of hosts, each message whole, in the order of
//! their arrival.
//!
//! Made by `start`; written by the Execution service for `SendInput`.

use std::{collections::VecDeque, io};

use nix::errno::Errno;

use super::{
    pipe::{self, Pipe},
    process::Execution,
};
use crate::{Context as _, Error, Kind, Result};

/// End of file, as a terminal in canonical mode takes it: VEOF, Ctrl-D.
const VEOF: u8 = 4;

/// Most feeds that are remembered, so that each can go on over another call; the one that wrote longest ago goes first.
const FEEDS: usize = 256;

/// Where input goes, and who has written to it.
#[derive(Debug, Default)]
pub(super) struct Input {
    target: Target,
    terminal: bool,
    /// Whether the last byte left a line unfinished: there, VEOF only ends the line's read, so it takes two.
    mid_line: bool,
    /// The latest last.
    feeds: VecDeque<Feed>,
    calls: u64,
}

#[derive(Debug, Default)]
enum Target {
    /// Its standard input is /dev/null, or it has not started.
    #[default]
    None,
    Open(Pipe),
    /// The feed of this name ended it.
    Ended(String),
    /// The process takes no more.
    Closed,
}

/// One host's input, over as many calls as it takes.
#[derive(Debug, Clone)]
struct Feed {
    name: String,
    /// How much of it was written.
    written: u64,
    /// Whether its end was typed at the terminal.
    ended: bool,
    /// The latest call: what an earlier one still has is said again by this one.
    call: u64,
}

impl Input {
    pub(super) fn pipe(pipe: Pipe) -> Self {
        Self { target: Target::Open(pipe), ..Self::default() }
    }

    pub(super) fn terminal(pipe: Pipe) -> Self {
        Self { terminal: true, ..Self::pipe(pipe) }
    }

    fn find(&self, name: &str) -> Option<&Feed> {
        self.feeds.iter().find(|feed| feed.name == name)
    }

    /// Notes what `feed` has written just now.
    fn wrote(&mut self, feed: &Feed, data: &[u8]) {
        self.remember(feed);
        if let Some(last) = data.last() {
            self.mid_line = !matches!(last, b'\n' | b'\r' | &VEOF);
        }
    }

    /// Keeps what is known of `feed`, as the latest. One without a name never goes on.
    fn remember(&mut self, feed: &Feed) {
        if feed.name.is_empty() {
            return;
        }
        match self.feeds.back_mut() {
            Some(latest) if latest.name == feed.name => *latest = feed.clone(),
            _ => {
                self.feeds.retain(|other| other.name != feed.name);
                self.feeds.push_back(feed.clone());
                if self.feeds.len() > FEEDS {
                    self.feeds.pop_front();
                }
            }
        }
    }
}

/// One call's part of a feed.
#[derive(Debug)]
pub struct Writer<'a> {
    execution: &'a Execution,
    feed: Feed,
    /// Bytes to come that were written before.
    skip: u64,
}

impl Execution {
    /// Begins the feed `name`, or goes on with it at its byte `offset`, once the process has started.
    pub async fn feed(&self, name: &str, offset: u64) -> Result<Writer<'_>> {
        self.started().await?;
        let mut feed = Feed { name: name.to_owned(), written: 0, ended: false, call: 0 };
        let mut input = self.input.lock().await;
        if let Some(known) = input.find(name) {
            feed = known.clone();
        }
        let skip = match feed.written.checked_sub(offset) {
            Some(skip) => skip,
            // Nothing is written any more, from whatever position.
            None if matches!(input.target, Target::Closed) => 0,
            None => return Err(self.gap(&feed, offset)),
        };
        input.calls += 1;
        feed.call = input.calls;
        input.remember(&feed);
        Ok(Writer { execution: self, feed, skip })
    }

    fn gap(&self, feed: &Feed, offset: u64) -> Error {
        let (id, written) = (self.id(), feed.written);
        Error::new(Kind::OutOfRange, format!("feed {id} at byte {offset}: the next byte due is {written}"))
    }
}

impl Writer<'_> {
    /// Writes all of `data` that was not written before, as fast as the process reads. Less is accepted when it closed its
    /// input or ended.
    pub async fn write(&mut self, data: &[u8]) -> Result<usize> {
        let known = usize::try_from(self.skip).unwrap_or(usize::MAX).min(data.len());
        let mut rest = data.get(known..).unwrap_or_default();
        let mut accepted = 0;
        if data.is_empty() {
            return Ok(accepted);
        }
        let execution = self.execution;
        let mut input = execution.input.lock().await;
        self.skip -= known as u64;
        while !rest.is_empty() {
            let pipe = match &input.target {
                Target::Open(pipe) => pipe.clone(),
                Target::Closed => break,
                _ if execution.has_ended() => break,
                Target::Ended(by) if *by == self.feed.name && !by.is_empty() => break,
                Target::None => return Err(closed(execution, "it was started without")),
                Target::Ended(_) => return Err(closed(execution, "it was ended through another handle")),
            };
            if input.find(&self.feed.name).is_some_and(|latest| latest.call != self.feed.call) {
                return Err(closed(execution, "another call goes on with this feed"));
            }
            let written = tokio::select! {
                biased;
                written = pipe::write_some(&pipe, rest) => written,
                _ = execution.wait() => break,
            };
            match written {
                // Nothing was awaited since the write, so that cancelling this loses no count.
                Ok(count) => {
                    accepted += count;
                    self.feed.written += count as u64;
                    input.wrote(&self.feed, rest.get(..count).unwrap_or_default());
                    rest = rest.get(count..).unwrap_or_default();
                }
                // EIO: a terminal that nobody holds any more.
                Err(error) if is_closed(&error) => input.target = Target::Closed,
                Err(error) => return Err(error).context(|| format!("write to stdin of {}", execution.id())),
            }
        }
        Ok(accepted)
    }

    /// Ends the input: closes the pipe, or types Ctrl-D at the terminal, once for each feed.
    pub async fn finish(&mut self) -> Result<()> {
        let mut input = self.execution.input.lock().await;
        let Target::Open(pipe) = &input.target else { return Ok(()) };
        let pipe = pipe.clone();
        if !input.terminal {
            input.target = Target::Ended(self.feed.name.clone());
            return Ok(());
        }
        if std::mem::replace(&mut self.feed.ended, true) {
            return Ok(());
        }
        input.remember(&self.feed);
        let mut end: &[u8] = if input.mid_line { &[VEOF, VEOF] } else { &[VEOF] };
        while !end.is_empty() {
            let written = tokio::select! {
                biased;
                written = pipe::write_some(&pipe, end) => written,
                _ = self.execution.wait() => break,
            };
            match written {
                Ok(count) => end = end.get(count..).unwrap_or_default(),
                Err(error) if is_closed(&error) => break,
                Err(error) => {
                    return Err(error).context(|| format!("end the stdin of {}", self.execution.id()));
                }
            }
        }
        input.mid_line = false;
        Ok(())
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EPIPE | Errno::EIO))
}

fn closed(execution: &Execution, why: &str) -> Error {
    Error::new(Kind::InputClosed, format!("write to the standard input of {}: {why}", execution.id()))
}
