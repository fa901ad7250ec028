//! Receives the journal from the guest: one connection for the machine's life, whatever else connects. Both engines connect the
//! guest to the same socket, and a thread moves what arrives into the files. Opened by `terminator`.

use std::{
    io::{self, Read as _},
    os::{
        fd::AsFd as _,
        unix::net::{UnixListener, UnixStream},
    },
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use boxlite_spec::{JournalSpec, ShimExit};
use boxlite_wire::{frame::Frame, port::JOURNAL};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::file::JournalFiles;
use crate::{
    background,
    error::{Context as _, Result},
    socket,
};

/// The most that is read at a time, in bytes.
const CHUNK: usize = 16 << 10;

/// How many reads one [`Journal::drain`] makes: together more than a socket's buffer holds.
const STEPS: usize = 64;

/// The host's end of a journal. Clones share it.
#[derive(Clone)]
pub(crate) struct Journal(Arc<Mutex<Intake>>);

struct Intake {
    listener: UnixListener,
    /// The connection that is read. A newer connection replaces it only if it has not sent its first line.
    guest: Option<Guest>,
    /// Whether the journal has ended. No other connection may continue it.
    ended: bool,
    files: JournalFiles,
}

struct Guest {
    stream: UnixStream,
    /// Whether it has sent the first line of a journal.
    greeted: bool,
    /// The start of a record whose end has not arrived, shorter than the longest record.
    rest: Vec<u8>,
}

impl Journal {
    /// Listens at the socket and starts the thread that fills the file.
    pub(crate) fn open(spec: &JournalSpec) -> Result<Self> {
        let files = JournalFiles::open(&spec.file);
        let files = files.context(ShimExit::Resource, "open journal", spec.file.display())?;
        let listener = socket::listen(&spec.socket)?;
        let watched = listener.try_clone();
        let watched = watched.context(ShimExit::Resource, "listen on", spec.socket.display())?;
        let journal = Self(Arc::new(Mutex::new(Intake { listener, guest: None, ended: false, files })));
        let pumping = journal.clone();
        background::spawn("journal", move || pumping.pump(&watched))?;
        Ok(journal)
    }

    /// Moves what has arrived into the file, before the process exits and its thread with it. The number of reads is bounded, so a
    /// guest that goes on writing can't block it.
    pub(crate) fn drain(&self) {
        let mut intake = self.intake();
        let _ = (0..STEPS).all(|_| intake.step());
    }

    fn pump(&self, listener: &UnixListener) {
        loop {
            // A clone of the stream is polled without the lock. If `drain` closes the stream meanwhile, the clone is polled once more
            // for nothing.
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

impl Intake {
    /// Accepts or reads once. Returns `false` if there was nothing to do.
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
            Ok(count) => self.receive(&chunk[..count]),
        }
        true
    }

    /// Checks the first line, then appends the whole records of what has arrived and retains the rest.
    fn receive(&mut self, bytes: &[u8]) {
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
        // Records are lost if the host's disk is full, which must not stop the guest.
        let _ = self.files.append(&guest.rest[..whole]);
        guest.rest.drain(..whole);
        if !matches!(Frame::first(&guest.rest), Frame::Partial) {
            self.close();
        }
    }

    /// Closes the connection, which lets the guest know that everything is in the file.
    fn close(&mut self) {
        self.ended |= self.guest.take().is_some_and(|guest| guest.greeted);
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
