//! The state of an execution's standard input: where it goes, and how far each stream to it has come.
//!
//! Owned by `state`, set by `start`, written through `stdin_writer`.

use std::collections::VecDeque;

use super::pipe::Pipe;

/// End of file, as a terminal in canonical mode takes it: VEOF, Ctrl-D.
pub(super) const VEOF: u8 = 4;

/// Most streams that are remembered, so that each can go on over another call. The one that wrote longest ago is forgotten first.
const STREAMS: usize = 256;

/// Where input goes, and who has written to it.
#[derive(Debug, Default)]
pub(super) struct Stdin {
    pub(super) target: Target,
    pub(super) terminal: bool,
    /// Whether the last byte left a line unfinished. There VEOF only ends the line's read, so two are needed.
    pub(super) mid_line: bool,
    /// The latest last.
    streams: VecDeque<StdinStream>,
    calls: u64,
}

/// Where input goes.
#[derive(Debug, Default)]
pub(super) enum Target {
    /// The standard input is /dev/null, or the process has not started.
    #[default]
    None,
    Open(Pipe),
    /// The stream of this name ended it.
    Ended(String),
    /// The process takes no more.
    Closed,
}

/// One host's input, over as many calls as it takes.
#[derive(Debug, Clone, Default)]
pub(super) struct StdinStream {
    pub(super) name: String,
    /// How many of its bytes were written.
    pub(super) written: u64,
    /// Whether its end was typed at the terminal.
    pub(super) ended: bool,
    /// The latest call. It sends again what an earlier one still has.
    pub(super) call: u64,
}

impl Stdin {
    pub(super) fn pipe(pipe: Pipe) -> Self {
        Self { target: Target::Open(pipe), ..Self::default() }
    }

    pub(super) fn terminal(pipe: Pipe) -> Self {
        Self { terminal: true, ..Self::pipe(pipe) }
    }

    /// The number of a call that begins.
    pub(super) fn next_call(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    pub(super) fn find(&self, name: &str) -> Option<&StdinStream> {
        self.streams.iter().find(|stream| stream.name == name)
    }

    /// Notes that `data` of `stream` was written just now.
    pub(super) fn note_written(&mut self, stream: &StdinStream, data: &[u8]) {
        self.remember(stream);
        if let Some(last) = data.last() {
            self.mid_line = !matches!(last, b'\n' | b'\r' | &VEOF);
        }
    }

    /// Keeps what is known of `stream`, as the latest. A stream without a name never goes on.
    pub(super) fn remember(&mut self, stream: &StdinStream) {
        if stream.name.is_empty() {
            return;
        }
        match self.streams.back_mut() {
            Some(latest) if latest.name == stream.name => *latest = stream.clone(),
            _ => {
                self.streams.retain(|other| other.name != stream.name);
                self.streams.push_back(stream.clone());
                if self.streams.len() > STREAMS {
                    self.streams.pop_front();
                }
            }
        }
    }
}
