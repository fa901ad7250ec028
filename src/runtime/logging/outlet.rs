//! Writes tracing's lines to the homes' files. A caller only queues its line, and a thread of each home writes it. A full
//! queue drops lines and reports how many.

use std::{
    io::{self, Write},
    path::Path,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
};

use boxlite_error::shorten::{self, shortened};

use crate::logging::daily::DailyFile;

/// Longest line, in bytes: room for an error's text and what goes with it.
const LONGEST: usize = 4 * shorten::TEXT;

/// Lines that wait for a slow disk.
const QUEUE: usize = 4096;

/// The homes that are open.
static OPEN: RwLock<Vec<Queue>> = RwLock::new(Vec::new());

#[derive(Debug, Clone)]
struct Queue {
    lines: SyncSender<Vec<u8>>,
    lost: Arc<AtomicU64>,
}

/// The log of an open home. Dropping it writes what is in the queue and ends its thread.
#[derive(Debug)]
pub(crate) struct HomeLog {
    lost: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl HomeLog {
    pub(super) fn begin(folder: &Path) -> io::Result<Self> {
        let file = DailyFile::open(folder)?;
        let (sender, lines) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let of_thread = Arc::clone(&lost);
        let thread = thread::Builder::new()
            .name("boxlite-log".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || write(file, &lines, &of_thread))?;
        let queue = Queue { lines: sender, lost: Arc::clone(&lost) };
        OPEN.write().unwrap_or_else(PoisonError::into_inner).push(queue);
        Ok(Self { lost, thread: Some(thread) })
    }
}

impl Drop for HomeLog {
    fn drop(&mut self) {
        let mut open = OPEN.write().unwrap_or_else(PoisonError::into_inner);
        open.retain(|queue| !Arc::ptr_eq(&queue.lost, &self.lost));
        drop(open);
        // Without senders the thread ends once the queue is empty.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A line that can't be written is dropped, since there is no other place to report it.
fn write(mut file: DailyFile, lines: &Receiver<Vec<u8>>, lost: &AtomicU64) {
    for line in lines {
        let missing = lost.swap(0, Relaxed);
        if missing > 0 {
            let _ = file.append(format!("{missing} lines were lost: the disk is too slow\n").as_bytes());
        }
        let _ = file.append(&line);
    }
}

/// Writes a line to every open home.
pub(super) struct Outlets;

impl Write for Outlets {
    /// tracing-subscriber gives an event in one piece.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = one_line(event);
        for queue in OPEN.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Err(TrySendError::Full(_)) = queue.lines.try_send(line.clone()) {
                queue.lost.fetch_add(1, Relaxed);
            }
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is quoted in an event, such as a box's console, can neither end its line nor begin one of its own, nor fill the log.
fn one_line(event: &[u8]) -> Vec<u8> {
    let event = event.strip_suffix(b"\n").unwrap_or(event);
    let text = (event.len() > LONGEST).then(|| String::from_utf8_lossy(event));
    let short = text.as_deref().map(|text| shortened(text, LONGEST));
    let event = short.as_deref().map_or(event, str::as_bytes);
    let mut line = Vec::with_capacity(event.len() + 1);
    for &byte in event {
        match byte {
            b'\n' => line.extend(b"\\n"),
            b'\r' => line.extend(b"\\r"),
            0..0x20 | 0x7f if byte != b'\t' => line.push(b'?'),
            _ => line.push(byte),
        }
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_it_quotes() {
        assert_eq!(one_line(b"a\nb\r\x1b[31m\tc\n"), b"a\\nb\\r?[31m\tc\n");
    }

    #[test]
    fn a_line_is_no_longer_than_is_of_use() {
        let line = one_line(&vec![b'x'; 5 << 20]);
        assert!(line.len() < LONGEST + 100 && line.ends_with(b"x\n"), "{}", line.len());
    }

    #[test]
    fn what_was_logged_is_written_before_the_log_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let log = HomeLog::begin(folder.path()).unwrap();
        for i in 0..100 {
            Outlets.write_all(format!("line {i}\n").as_bytes()).unwrap();
        }
        drop(log);
        let text = std::fs::read_to_string(folder.path().join("boxlite.log")).unwrap();
        assert_eq!(text.lines().filter(|line| line.starts_with("line ")).count(), 100);
        assert!(text.contains("line 99\n"));
    }
}
