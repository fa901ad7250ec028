//! What changes in a directory or a tree, by inotify(7). Called by the Files service.
//!
//! inotify watches directories one by one, so a tree has one watch for each, and a directory that appears gets its own;
//! what was made in it before that is found by listing it. The queue's overflow ends the stream with `EOVERFLOW`: a gap
//! is told, never hidden.

use std::{
    collections::HashMap,
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use boxlite_proto::v1::{FileChange, FileRequest, FileWatchAnswer};
use bytes::Bytes;
use futures::{Stream, stream};
use nix::{
    errno::Errno,
    libc,
    sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor},
};
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    Files,
    call::path_of,
    fault::{Call as _, Outcome, bytes_of, fault},
};
use crate::{Context as _, Result, reactor};

const CHANGED: AddWatchFlags = AddWatchFlags::IN_MODIFY.union(AddWatchFlags::IN_ATTRIB);
const RENAMED: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF);

/// One watched path and what inotify knows of it.
struct Watch {
    files: Files,
    root: PathBuf,
    recursive: bool,
    user: String,
    queue: Arc<Inotify>,
    ready: AsyncFd<OwnedFd>,
    /// Below `root`, the directory of each descriptor.
    folders: Arc<Mutex<HashMap<WatchDescriptor, PathBuf>>>,
}

impl Files {
    /// Watches `request.path`. The first answer is empty: from then on nothing is missed.
    pub(crate) async fn watch(
        &self,
        request: FileRequest,
    ) -> Result<Outcome<impl Stream<Item = Result<FileWatchAnswer>> + Send + use<>>> {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        let queue = Arc::new(Inotify::init(flags).context(|| "make an inotify queue")?);
        let folders = Arc::new(Mutex::new(HashMap::new()));
        let root = path_of(&request.path).to_owned();
        let recursive = request.recursive;
        let (adding, known, top) = (Arc::clone(&queue), Arc::clone(&folders), root.clone());
        let added = self
            .run_as(&request.user, move || add(&adding, &known, &top, PathBuf::new(), recursive).map(drop));
        if let Err(error) = added.await? {
            return Ok(Err(error));
        }
        let fd = std::os::fd::AsFd::as_fd(&*queue).try_clone_to_owned().context(|| "watch files")?;
        let ready = reactor::watch(fd, Interest::READABLE).context(|| "watch files")?;
        let user = request.user;
        let watch = Watch { files: self.clone(), root, recursive, user, queue, ready, folders };
        Ok(Ok(stream::unfold((Some(watch), true), |(watch, first)| async move {
            let mut watch = watch?;
            if first {
                return Some((Ok(FileWatchAnswer::default()), (Some(watch), false)));
            }
            match watch.next().await {
                Ok(Ok(changes)) => Some((Ok(FileWatchAnswer { changes, error: None }), (Some(watch), false))),
                Ok(Err(error)) => {
                    Some((Ok(FileWatchAnswer { error: Some(error), changes: vec![] }), (None, false)))
                }
                Err(error) => Some((Err(error), (None, false))),
            }
        })))
    }
}

impl Watch {
    async fn next(&mut self) -> Result<Outcome<Vec<FileChange>>> {
        loop {
            let events = {
                let mut ready = self.ready.readable().await.context(|| "watch files")?;
                match ready.try_io(|_| self.queue.read_events().map_err(io::Error::from)) {
                    Ok(events) => events.context(|| "read an inotify queue")?,
                    Err(_) => continue,
                }
            };
            let mut changes = Vec::new();
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    return Ok(Err(fault(libc::EOVERFLOW, "watch", &self.root)));
                }
                if let Err(error) = self.take(&event, &mut changes).await? {
                    return Ok(Err(error));
                }
            }
            if !changes.is_empty() {
                return Ok(Ok(changes));
            }
        }
    }

    async fn take(&self, event: &InotifyEvent, changes: &mut Vec<FileChange>) -> Result<Outcome<()>> {
        let Some(folder) = self.folder(event.wd) else { return Ok(Ok(())) };
        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
            self.lock().remove(&event.wd);
            return Ok(Ok(()));
        }
        // Of a directory below, its parent's watch tells the same by name.
        if event.name.is_none() && !folder.as_os_str().is_empty() {
            return Ok(Ok(()));
        }
        let renamed = event.mask.intersects(RENAMED);
        let name = match &event.name {
            Some(name) => folder.join(name),
            None => PathBuf::from(self.root.file_name().unwrap_or_default()),
        };
        changes.push(FileChange { renamed, name: bytes_of(&name) });
        let appeared = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        let is_folder = event.mask.contains(AddWatchFlags::IN_ISDIR);
        if !(self.recursive && is_folder && event.mask.intersects(appeared)) {
            return Ok(Ok(()));
        }
        let (queue, folders, root) = (Arc::clone(&self.queue), Arc::clone(&self.folders), self.root.clone());
        let found = self.files.run_as(&self.user, move || match add(&queue, &folders, &root, name, true) {
            // It went away again.
            Err(error) if error.errno == libc::ENOENT => Ok(Vec::new()),
            added => added,
        });
        Ok(found.await?.map(|found| {
            changes.extend(found.into_iter().map(|name| FileChange { renamed: true, name }));
        }))
    }

    fn folder(&self, descriptor: WatchDescriptor) -> Option<PathBuf> {
        self.lock().get(&descriptor).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<WatchDescriptor, PathBuf>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches `below` and, of a tree, every directory in it. Answers the names that are there already.
fn add(
    queue: &Inotify,
    folders: &Mutex<HashMap<WatchDescriptor, PathBuf>>,
    root: &Path,
    below: PathBuf,
    recursive: bool,
) -> Outcome<Vec<Bytes>> {
    let mut found = Vec::new();
    let mut waiting = vec![below];
    while let Some(below) = waiting.pop() {
        let is_root = below.as_os_str().is_empty();
        let path = if is_root { root.to_owned() } else { root.join(&below) };
        let flags = if is_root { AddWatchFlags::empty() } else { AddWatchFlags::IN_DONT_FOLLOW };
        match queue.add_watch(&path, CHANGED | RENAMED | flags) {
            Err(Errno::ENOENT | Errno::ENOTDIR) if !is_root => continue,
            added => {
                let descriptor = added.call("watch", &path)?;
                folders.lock().unwrap_or_else(PoisonError::into_inner).insert(descriptor, below.clone());
            }
        }
        if !recursive || !path.is_dir() {
            continue;
        }
        let Ok(entries) = fs::read_dir(&path) else { continue };
        for entry in entries.flatten() {
            let name = below.join(entry.file_name());
            found.push(bytes_of(&name));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(name);
            }
        }
    }
    Ok(found)
}
