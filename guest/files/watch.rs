//! Watches a directory or a tree for changes, by inotify(7). Called by the Files service.
//!
//! inotify watches directories one by one, so a tree has one watch for each of its directories. A new directory gets its own, and is
//! listed for what was made in it before. Changes are sent in messages of bounded size, however many one event brings. An overflow
//! of the queue, and more than [`WAITING`] bytes of names at once, end the stream with `EOVERFLOW`, so that no gap is hidden.

use std::{
    collections::{HashMap, VecDeque},
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use boxlite_proto::v1::{FileChange, FileError, FileRequest, FileWatchAnswer};
use boxlite_wire::limits;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use nix::{
    errno::Errno,
    libc,
    sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor},
};
use parking_lot::Mutex;
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    fault::{Call as _, Fault, Outcome, fault},
    path::{bytes_of, path_of},
    pool::Files,
};
use crate::{Context as _, Result, reactor};

const CHANGED: AddWatchFlags = AddWatchFlags::IN_MODIFY.union(AddWatchFlags::IN_ATTRIB);
const RENAMED: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF);

/// Most bytes of names that wait to be sent.
const WAITING: usize = 16 << 20;
/// Bytes that a change takes besides its name, in the message and in memory.
const CHANGE: usize = 64;

/// One watched path and its inotify queue.
struct Watch {
    files: Files,
    root: PathBuf,
    recursive: bool,
    user: String,
    queue: Arc<Inotify>,
    ready: AsyncFd<OwnedFd>,
    /// Below `root`, the directory of each descriptor.
    folders: Arc<Mutex<HashMap<WatchDescriptor, PathBuf>>>,
    waiting: Waiting,
}

/// Changes that are to be sent.
#[derive(Default)]
struct Waiting {
    changes: VecDeque<FileChange>,
    bytes: usize,
}

impl Waiting {
    /// Adds a change. Returns false if there are too many.
    fn add(&mut self, change: FileChange) -> bool {
        self.bytes += CHANGE + change.name.len();
        self.changes.push_back(change);
        self.bytes <= WAITING
    }

    /// Takes as many changes as fit in a message, and at least one.
    fn take(&mut self) -> Vec<FileChange> {
        let (mut taken, mut left) = (Vec::new(), limits::CHUNK);
        while let Some(change) = self.changes.front() {
            let cost = CHANGE + change.name.len();
            if cost > left && !taken.is_empty() {
                break;
            }
            left = left.saturating_sub(cost);
            self.bytes -= cost;
            taken.extend(self.changes.pop_front());
        }
        taken
    }
}

impl Files {
    /// Watches `request.path`. The first answer is empty, and no change after it is missed.
    pub(crate) async fn watch(
        &self,
        request: FileRequest,
    ) -> Result<impl Stream<Item = Result<FileWatchAnswer, Fault>> + Send + use<>, Fault> {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        let queue = Arc::new(Inotify::init(flags).context(|| "make an inotify queue")?);
        let folders = Arc::new(Mutex::new(HashMap::new()));
        let root = path_of(&request.path).to_owned();
        let recursive = request.recursive;
        let (adding, known, top) = (Arc::clone(&queue), Arc::clone(&folders), root.clone());
        let added = self.run_as(&request.user, move || {
            // What exists already is no change.
            add(&adding, &known, &top, PathBuf::new(), recursive, &mut |_| true)
        });
        added.await?;
        let fd = std::os::fd::AsFd::as_fd(&*queue).try_clone_to_owned().context(|| "watch files")?;
        let ready = reactor::watch(fd, Interest::READABLE).context(|| "watch files")?;
        let (user, waiting) = (request.user, Waiting::default());
        let watch = Watch { files: self.clone(), root, recursive, user, queue, ready, folders, waiting };
        let changes = stream::try_unfold(watch, |mut watch| async {
            let changes = watch.next().await?;
            Ok(Some((FileWatchAnswer { changes, error: None }, watch)))
        });
        Ok(stream::iter([Ok(FileWatchAnswer::default())]).chain(changes))
    }
}

impl Watch {
    async fn next(&mut self) -> Result<Vec<FileChange>, Fault> {
        while self.waiting.changes.is_empty() {
            let events = {
                let mut ready = self.ready.readable().await.context(|| "watch files")?;
                match ready.try_io(|_| self.queue.read_events().map_err(io::Error::from)) {
                    Ok(events) => events.context(|| "read an inotify queue")?,
                    Err(_) => continue,
                }
            };
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    return Err(overflow(&self.root).into());
                }
                self.take(&event).await?;
            }
        }
        Ok(self.waiting.take())
    }

    async fn take(&mut self, event: &InotifyEvent) -> Result<(), Fault> {
        let Some(folder) = self.folders.lock().get(&event.wd).cloned() else { return Ok(()) };
        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
            self.folders.lock().remove(&event.wd);
            return Ok(());
        }
        // The watch of a directory's parent reports the same change with its name.
        if event.name.is_none() && !folder.as_os_str().is_empty() {
            return Ok(());
        }
        let renamed = event.mask.intersects(RENAMED);
        let name = match &event.name {
            Some(name) => folder.join(name),
            None => PathBuf::from(self.root.file_name().unwrap_or_default()),
        };
        if !self.waiting.add(FileChange { renamed, name: bytes_of(&name) }) {
            return Err(overflow(&self.root).into());
        }
        let appeared = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        let is_folder = event.mask.contains(AddWatchFlags::IN_ISDIR);
        if !(self.recursive && is_folder && event.mask.intersects(appeared)) {
            return Ok(());
        }
        let (queue, folders, root) = (Arc::clone(&self.queue), Arc::clone(&self.folders), self.root.clone());
        let mut waiting = std::mem::take(&mut self.waiting);
        let found = self.files.run_as(&self.user, move || {
            let mut found = |name| waiting.add(FileChange { renamed: true, name });
            match add(&queue, &folders, &root, name, true, &mut found) {
                // It was removed again.
                Err(error) if error.errno == libc::ENOENT => Ok(waiting),
                added => added.map(|()| waiting),
            }
        });
        self.waiting = found.await?;
        Ok(())
    }
}

fn overflow(root: &Path) -> FileError {
    fault(libc::EOVERFLOW, "watch", root)
}

/// Watches `below` and, with `recursive`, every directory in it. Calls `found` with the names that exist already, until it returns
/// false.
fn add(
    queue: &Inotify,
    folders: &Mutex<HashMap<WatchDescriptor, PathBuf>>,
    root: &Path,
    below: PathBuf,
    recursive: bool,
    found: &mut impl FnMut(Bytes) -> bool,
) -> Outcome<()> {
    let mut waiting = vec![below];
    while let Some(below) = waiting.pop() {
        let is_root = below.as_os_str().is_empty();
        let path = if is_root { root.to_owned() } else { root.join(&below) };
        let flags = if is_root { AddWatchFlags::empty() } else { AddWatchFlags::IN_DONT_FOLLOW };
        match queue.add_watch(&path, CHANGED | RENAMED | flags) {
            Err(Errno::ENOENT | Errno::ENOTDIR) if !is_root => continue,
            added => {
                let descriptor = added.call("watch", &path)?;
                folders.lock().insert(descriptor, below.clone());
            }
        }
        if !recursive || !path.is_dir() {
            continue;
        }
        let Ok(entries) = fs::read_dir(&path) else { continue };
        for entry in entries.flatten() {
            let name = below.join(entry.file_name());
            if !found(bytes_of(&name)) {
                return Err(overflow(root));
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(name);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(length: usize) -> FileChange {
        FileChange { renamed: true, name: vec![b'n'; length].into() }
    }

    #[test]
    fn changes_are_sent_in_order_in_messages_of_bounded_size() {
        let mut waiting = Waiting::default();
        for length in 1..=3000 {
            assert!(waiting.add(change(length)));
        }
        let (mut sent, mut messages) = (Vec::new(), 0);
        while !waiting.changes.is_empty() {
            let some = waiting.take();
            let size: usize = some.iter().map(|change| CHANGE + change.name.len()).sum();
            assert!(size <= limits::CHUNK);
            sent.extend(some.iter().map(|change| change.name.len()));
            messages += 1;
        }
        assert!(messages > 1);
        assert_eq!((sent, waiting.bytes), ((1..=3000).collect(), 0));
        // A change that is larger than that is sent alone.
        waiting.add(change(limits::CHUNK));
        assert_eq!(waiting.take().len(), 1);
    }

    #[test]
    fn more_than_memory_should_hold_is_a_gap() {
        let mut waiting = Waiting::default();
        let fits = std::iter::repeat_with(|| waiting.add(change(1 << 20))).take_while(|fits| *fits).count();
        assert_eq!(fits, 15);
    }
}
