//! A box's logs: what its main process wrote, from the journal, and what its machine wrote to its console. Called
//! by `LiteBox`, whether or not the box runs.

use std::sync::Arc;

use boxlite_error::{BoxliteResult, named};
use bytes::Bytes;
use tokio::{
    runtime::Handle,
    sync::{Mutex, Notify},
};

use serde::{Deserialize, Serialize};

use crate::{
    in_context::in_context,
    litebox::{core::BoxCore, lifecycle::machine::Machine, observation::console::ConsoleReader},
    state::journal::{
        entry::{JournalEntry, JournalRecord},
        reader::{Journal, JournalReader},
    },
};

named! {
    /// Where logs come from.
    #[derive(Default)]
    pub enum LogSource {
        /// The main process.
        #[default]
        Main = "main",
        /// The kernel and the agent.
        Console = "console",
    }
}

/// Which logs to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LogOptions {
    /// The source.
    pub source: LogSource,
    /// Whether to wait for more, for as long as the box runs.
    pub follow: bool,
    /// Milliseconds since the Unix epoch; older output is left out. For the main process only.
    pub since_ms: u64,
}

/// A chunk of a log. It may begin and end within a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Milliseconds since the Unix epoch; `None` for the console, which has no times.
    pub time_ms: Option<u64>,
    /// The bytes.
    pub text: LogText,
}

/// What was written, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogText {
    /// Standard output of the main process.
    Stdout(Bytes),
    /// Its standard error.
    Stderr(Bytes),
    /// The console.
    Console(Bytes),
    /// So many bytes are missing here.
    Lost(u64),
}

/// A position in a log. It reads only when `next` is called.
#[derive(Debug)]
pub struct LogReader {
    state: Mutex<State>,
    closed: Notify,
    handle: Handle,
}

#[derive(Debug)]
struct State {
    source: Source,
    /// The box, while it may write more.
    machine: Option<Arc<Machine>>,
}

#[derive(Debug)]
enum Source {
    Main(JournalReader),
    Console(ConsoleReader),
}

impl BoxCore {
    /// Returns a reader of the existing logs and, if `follow` is set, of later ones until the box ends.
    ///
    /// # Errors
    /// `BOX_REMOVED`.
    pub(in crate::litebox) async fn logs(self: &Arc<Self>, options: LogOptions) -> BoxliteResult<LogReader> {
        self.reread()?;
        let paths = &self.paths;
        let source = match options.source {
            LogSource::Main => {
                let since_ns = options.since_ms.saturating_mul(1_000_000);
                Source::Main(Journal::of(paths).read_from(since_ns))
            }
            LogSource::Console => Source::Console(ConsoleReader::new(paths.console())),
        };
        let machine = if options.follow { self.running().await? } else { None };
        let (state, handle) = (Mutex::new(State { source, machine }), self.home.handle.clone());
        Ok(LogReader { state, closed: Notify::new(), handle })
    }
}

impl LogReader {
    /// Returns the next chunks, at least one, or `None` at the end.
    ///
    /// # Errors
    /// `STORAGE_IO` if the journal or the console can't be read; `BOX_REMOVED`.
    pub async fn next(&self) -> BoxliteResult<Option<Vec<LogEntry>>> {
        in_context(&self.handle, self.next_entries()).await
    }

    async fn next_entries(&self) -> BoxliteResult<Option<Vec<LogEntry>>> {
        let closed = self.closed.notified();
        tokio::pin!(closed);
        closed.as_mut().enable();
        let mut state = self.state.lock().await;
        loop {
            let State { source, machine } = &mut *state;
            let Some(running) = machine else {
                let rest = source.read(false).await?;
                return Ok((!rest.is_empty()).then_some(rest));
            };
            tokio::select! {
                more = source.read(true) => return more.map(Some),
                // Read once more for what it wrote last.
                _ = running.shim.ended() => *machine = None,
                () = &mut closed => return Ok(None),
            }
        }
    }

    /// Ends a `next` that waits.
    pub fn close(&self) {
        self.closed.notify_waiters();
    }
}

impl Source {
    /// Returns what there is now, or with `wait` what comes next.
    async fn read(&mut self, wait: bool) -> BoxliteResult<Vec<LogEntry>> {
        match self {
            Self::Main(journal) => loop {
                let records = if wait { journal.more().await? } else { journal.next().await? };
                let over = records.is_empty();
                let entries: Vec<_> = records.into_iter().filter_map(entry).collect();
                // The supervisor's own entries are no output.
                if over || !entries.is_empty() {
                    return Ok(entries);
                }
            },
            Self::Console(console) if wait => Ok(vec![console_entry(console.more().await?)]),
            Self::Console(console) => Ok(console.read()?.map(console_entry).into_iter().collect()),
        }
    }
}

fn entry(record: JournalRecord) -> Option<LogEntry> {
    let text = match record.entry {
        JournalEntry::Stdout(data) => LogText::Stdout(data),
        JournalEntry::Stderr(data) => LogText::Stderr(data),
        JournalEntry::Lost(bytes) => LogText::Lost(bytes),
        _ => return None,
    };
    Some(LogEntry { time_ms: Some(record.time_unix_ns / 1_000_000), text })
}

fn console_entry(data: Bytes) -> LogEntry {
    LogEntry { time_ms: None, text: LogText::Console(data) }
}
