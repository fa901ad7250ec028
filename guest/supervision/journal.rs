//! The journal: the main process's output and the box's events, sent to the host's disk. A host that takes it slowly holds the
//! main process back for a while and then loses the oldest output. It never stops the main process.
//!
//! Opened by `begin` if there is something to supervise; written by `supervisor` and `main_process`.

use std::{io, sync::Arc, time::Duration};

use boxlite_proto::v1::journal_record::Record;
use boxlite_wire::{limits, port};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{Notify, watch},
    time::timeout,
};

use super::{
    host_streams::{HostStream, HostStreams},
    journal_queue::Queue,
};

/// How long the main process waits for a host that takes nothing, before its output is dropped.
const STALL: Duration = Duration::from_secs(1);

/// How long the shutdown waits until the host has all of it.
const FINISH: Duration = Duration::from_secs(3);

/// Bytes that are sent at once.
const BATCH: usize = 64 * 1024;

/// Bytes of output in one record, whose other fields take fewer than 32.
const CHUNK: usize = limits::JOURNAL_RECORD - 32;

/// The journal. Clones share it.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Notified when there is something to send.
    filled: Notify,
    /// Notified when something was sent.
    emptied: Notify,
    /// Set when nothing will be sent any more.
    closed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    /// Whether the host has taken nothing for [`STALL`].
    stalled: bool,
    ending: bool,
}

impl Journal {
    /// Opens the stream to the host and starts to send. If the host takes no journal, everything is discarded.
    pub(super) async fn open(host_streams: &HostStreams) -> Self {
        let closed = watch::Sender::new(false);
        let shared =
            Shared { state: Mutex::default(), filled: Notify::new(), emptied: Notify::new(), closed };
        let journal = Self(Arc::new(shared));
        match host_streams.open(port::JOURNAL_PORT).await {
            Ok(stream) => drop(tokio::spawn(journal.clone().send(stream))),
            Err(error) => {
                eprintln!("boxlite-guest: open the journal: {error}");
                journal.close();
            }
        }
        journal
    }

    /// Writes a record.
    pub(super) fn write(&self, record: Record) {
        if !*self.0.closed.borrow() {
            self.0.state.lock().queue.push(record);
            self.0.filled.notify_one();
        }
    }

    /// Writes the main process's output on stdout (0) or stderr (1).
    pub(super) fn write_output(&self, stream: usize, bytes: &Bytes) {
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            let chunk = rest.split_to(rest.len().min(CHUNK));
            self.write(if stream == 0 { Record::Stdout(chunk) } else { Record::Stderr(chunk) });
        }
    }

    /// Waits until there is room for more output, but no longer than [`STALL`] for a host that takes nothing.
    pub(super) async fn room(&self) {
        let stalled = self.0.state.lock().stalled;
        if !stalled && timeout(STALL, self.emptied()).await.is_err() {
            self.0.state.lock().stalled = true;
        }
    }

    /// Ends the journal. Returns when the host has all of it, or takes too long.
    pub(super) async fn finish(&self) {
        self.0.state.lock().ending = true;
        self.0.filled.notify_one();
        let mut closed = self.0.closed.subscribe();
        let _ = timeout(FINISH, closed.wait_for(|closed| *closed)).await;
    }

    async fn send(self, stream: Box<dyn HostStream>) {
        // Without the stream everything is discarded.
        if let Err(error) = self.send_all(stream).await {
            eprintln!("boxlite-guest: send the journal: {error}");
        }
        self.close();
    }

    async fn send_all(&self, mut stream: Box<dyn HostStream>) -> io::Result<()> {
        stream.write_all(port::JOURNAL).await?;
        loop {
            let (batch, ending) = {
                let mut state = self.0.state.lock();
                (state.queue.take(BATCH), state.ending)
            };
            if !batch.is_empty() {
                stream.write_all(&batch).await?;
                stream.flush().await?;
                self.0.state.lock().stalled = false;
                self.0.emptied.notify_waiters();
            } else if ending {
                // The empty record is the last. The host closes the stream once all is in its file. Whatever it sends is ignored.
                stream.write_all(&[0]).await?;
                stream.flush().await?;
                let _ = stream.read(&mut [0]).await;
                return Ok(());
            } else {
                self.0.filled.notified().await;
            }
        }
    }

    fn close(&self) {
        self.0.state.lock().queue = Queue::default();
        self.0.closed.send_replace(true);
        self.0.emptied.notify_waiters();
    }

    /// Waits until the queue has room, or is not emptied any more.
    async fn emptied(&self) {
        loop {
            let emptied = self.0.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if !self.0.state.lock().queue.is_full() || *self.0.closed.borrow() {
                return;
            }
            emptied.await;
        }
    }
}
