//! The guest's console, kept in a file that a hostile guest can't make grow: engines write into a pipe, a thread moves
//! what arrives into the file, and when that is full its older half goes. Made by both engines' `create`.

use std::{
    fs::File,
    io::Read,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use boxlite_spec::ShimExit;
use nix::{
    errno::Errno,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::pipe2,
};

use crate::{Result, bounded_log::BoundedLog, error::Context};

/// The host's end of a console. Clones are the same console.
#[derive(Clone)]
pub(crate) struct Console(Arc<Mutex<Pump>>);

struct Pump {
    pipe: File,
    log: BoundedLog,
}

#[derive(PartialEq, Eq)]
enum Pumped {
    Chunk,
    Nothing,
    End,
}

impl Console {
    /// Truncates the file at `path` and starts the thread that fills it. Returns the pipe's end for the engine.
    pub(crate) fn open(path: &Path) -> Result<(Self, OwnedFd)> {
        let log =
            BoundedLog::create(path).context(ShimExit::Resource, "create console file", path.display())?;
        let what = "for the console";
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).context(ShimExit::Resource, "make a pipe", what)?;
        let pipe = File::from(reader);
        let watched = pipe.try_clone().context(ShimExit::Resource, "make a pipe", what)?;
        let console = Self(Arc::new(Mutex::new(Pump { pipe, log })));
        let pumping = console.clone();
        thread::Builder::new()
            .name("console".into())
            .spawn(move || while readable(&watched, PollTimeout::NONE) && pumping.pump() != Pumped::End {})
            .context(ShimExit::Resource, "start a thread", what)?;
        Ok((console, writer))
    }

    /// Moves what the pipe still holds into the file: the last words of a machine that is about to be gone.
    pub(crate) fn drain(&self) {
        while self.pump() == Pumped::Chunk {}
    }

    /// Moves one chunk, if there is one now. The lock spans reading and writing, so chunks keep their order.
    fn pump(&self) -> Pumped {
        let mut pump = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Pump { pipe, log } = &mut *pump;
        if !readable(&*pipe, PollTimeout::ZERO) {
            return Pumped::Nothing;
        }
        let mut chunk = [0; 4096];
        match pipe.read(&mut chunk) {
            Ok(0) | Err(_) => Pumped::End,
            Ok(count) => {
                // A full host disk loses console output, which must not stop the guest.
                let _ = log.append(&chunk[..count]);
                Pumped::Chunk
            }
        }
    }
}

/// Waits until `file` has bytes or has reached its end; false when the time is up.
fn readable(file: impl AsFd, timeout: PollTimeout) -> bool {
    loop {
        match poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)], timeout) {
            Err(Errno::EINTR) => {}
            ready => return ready.is_ok_and(|count| count > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    #[test]
    fn last_words_are_in_the_file_once_drained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        let (console, writer) = Console::open(&path).unwrap();
        let mut writer = File::from(writer);
        for line in 0..200 {
            writeln!(writer, "line {line}").unwrap();
        }
        console.drain();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 200);
        assert!(text.ends_with("line 199\n"));
    }
}
