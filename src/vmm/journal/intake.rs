//! Takes the journal from the guest: one connection for the machine's life, whatever else connects. Both engines bring it
//! to the same socket; a thread of this process moves what arrives into the files.

use std::{
    io::{self, Read as _},
    os::{
        fd::AsFd as _,
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use boxlite_spec::{JournalSpec, ShimExit};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::file::JournalFiles;
use crate::{Result, error::Context as _, socket};
use boxlite_wire::{frame::Frame, port::JOURNAL};

/// What is moved at a time, in bytes.
const CHUNK: usize = 16 << 10;

/// How often is looked before others have their turn: together more than a socket holds.
const STEPS: usize = 64;

/// The host's end of a journal. Clones are the same journal.
#[derive(Clone)]
pub(crate) struct Journal(Arc<Mutex<Intake>>);

struct Intake {
    listener: UnixListener,
    /// The connection that is read. Its place is taken by a newer one only while it has not greeted.
    guest: Option<Guest>,
    /// The journal came to its end; nobody may write another.
    ended: bool,
    files: JournalFiles,
}

struct Guest {
    stream: UnixStream,
    greeted: bool,
    /// The start of a record whose end has not arrived: less than the longest record.
    rest: Vec<u8>,
}

impl Journal {
    /// Listens at the socket and starts the thread that fills the file.
    pub(crate) fn open(spec: &JournalSpec) -> Result<Self> {
        let files = JournalFiles::open(&spec.file);
        let files = files.context(ShimExit::Resource, "open journal", spec.file.display())?;
        socket::clear(&spec.socket)?;
        let what = spec.socket.display();
        let listener = listen(&socket::name(&spec.socket)).context(ShimExit::Resource, "listen on", &what)?;
        let watched = listener.try_clone().context(ShimExit::Resource, "listen on", &what)?;
        let journal = Self(Arc::new(Mutex::new(Intake { listener, guest: None, ended: false, files })));
        let pumping = journal.clone();
        thread::Builder::new()
            .name("journal".into())
            .stack_size(128 << 10)
            .spawn(move || pumping.pump(&watched))
            .context(ShimExit::Resource, "start a thread", "for the journal")?;
        Ok(journal)
    }

    /// Moves what has arrived into the file: the last words of a machine that is about to be gone. Its own thread may miss
    /// what comes after that. A guest that goes on writing meanwhile keeps nobody from ending its machine.
    pub(crate) fn drain(&self) {
        let mut intake = self.intake();
        let _ = (0..STEPS).all(|_| intake.step());
    }

    fn pump(&self, listener: &UnixListener) {
        loop {
            // The stream is the same one for as long as it is there: only this thread and `drain` close it, and a closed
            // one is polled once more, in vain.
            let stream = self.intake().guest.as_ref().and_then(|guest| guest.stream.try_clone().ok());
            let mut watched = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
            watched.extend(stream.as_ref().map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLIN)));
            let _ = poll(&mut watched, PollTimeout::NONE);
            drop(stream);
            self.drain();
        }
    }

    fn intake(&self) -> MutexGuard<'_, Intake> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Intake {
    /// Accepts or reads once; false when there was nothing to do.
    fn step(&mut self) -> bool {
        if let Ok((stream, _)) = self.listener.accept() {
            let taken = self.ended || self.guest.as_ref().is_some_and(|guest| guest.greeted);
            if !taken && stream.set_nonblocking(true).is_ok() {
                self.guest = Some(Guest { stream, greeted: false, rest: Vec::new() });
            }
            return true;
        }
        let Some(guest) = &mut self.guest else { return false };
        let mut chunk = [0; CHUNK];
        match guest.stream.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => self.close(),
            Ok(count) => self.took(&chunk[..count]),
        }
        true
    }

    fn took(&mut self, bytes: &[u8]) {
        let Some(guest) = &mut self.guest else { return };
        guest.rest.extend_from_slice(bytes);
        if !guest.greeted {
            let length = guest.rest.len().min(JOURNAL.len());
            if guest.rest[..length] != JOURNAL[..length] {
                self.guest = None;
                return;
            }
            if length < JOURNAL.len() {
                return;
            }
            guest.greeted = true;
            guest.rest.drain(..length);
        }
        let whole = Frame::whole(&guest.rest);
        // A full host disk loses records, which must not stop the guest.
        let _ = self.files.append(&guest.rest[..whole]);
        guest.rest.drain(..whole);
        if !matches!(Frame::first(&guest.rest), Frame::Partial) {
            self.close();
        }
    }

    /// The guest learns from this that all is in the file.
    fn close(&mut self) {
        self.ended |= self.guest.take().is_some_and(|guest| guest.greeted);
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
