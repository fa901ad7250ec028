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
use boxlite_wire::power_off::MARKER;

/// How much of the console's end is searched for the agent's last word, behind which the kernel may have words too, in bytes.
const END: usize = 4096;

/// What a pipe holds at most, in bytes (pipe(7)), unless somebody enlarges it, which nobody does.
const PIPE: usize = 64 << 10;

/// The host's end of a console. Clones are the same console.
#[derive(Clone)]
pub(crate) struct Console(Arc<Mutex<Pump>>);

struct Pump {
    pipe: File,
    log: BoundedLog,
    /// The last bytes: the file may miss them when the host's disk is full.
    end: Vec<u8>,
}

enum Pumped {
    /// So many bytes.
    Chunk(usize),
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
        let console = Self(Arc::new(Mutex::new(Pump { pipe, log, end: Vec::new() })));
        let pumping = console.clone();
        thread::Builder::new()
            .name("console".into())
            .spawn(
                move || {
                    while readable(&watched, PollTimeout::NONE) && !matches!(pumping.pump(), Pumped::End) {}
                },
            )
            .context(ShimExit::Resource, "start a thread", what)?;
        Ok((console, writer))
    }

    /// Moves what the pipe still holds into the file: the last words of a machine that is about to be gone. A guest that goes
    /// on writing meanwhile has had its say after as much as a pipe holds.
    pub(crate) fn drain(&self) {
        let mut left = PIPE;
        while let Pumped::Chunk(count @ 1..) = self.pump()
            && left > 0
        {
            left = left.saturating_sub(count);
        }
    }

    /// Whether the agent said that it would switch the machine off. Ask when all is drained.
    pub(crate) fn announced_power_off(&self) -> bool {
        let pump = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&pump.end).lines().any(|line| line.trim_end().ends_with(MARKER))
    }

    /// Moves one chunk, if there is one now. The lock spans reading and writing, so chunks keep their order.
    fn pump(&self) -> Pumped {
        let mut pump = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Pump { pipe, log, end } = &mut *pump;
        if !readable(&*pipe, PollTimeout::ZERO) {
            return Pumped::Nothing;
        }
        let mut chunk = [0; 4096];
        match pipe.read(&mut chunk) {
            Ok(0) | Err(_) => Pumped::End,
            Ok(count) => {
                // A full host disk loses console output, which must not stop the guest.
                let _ = log.append(&chunk[..count]);
                end.extend_from_slice(&chunk[..count]);
                end.drain(..end.len().saturating_sub(END));
                Pumped::Chunk(count)
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

    fn console() -> (tempfile::TempDir, std::path::PathBuf, Console, File) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        let (console, writer) = Console::open(&path).unwrap();
        (folder, path, console, writer.into())
    }

    #[test]
    fn a_farewell_is_the_agents_last_word_and_not_far_from_the_end() {
        for (said, farewell) in [
            (
                "[    3.1] boxlite-guest: power off\r\n[    3.2] reboot: Restarting system\r\n".to_owned(),
                true,
            ),
            ("noise\n".repeat(10_000) + "boxlite-guest: power off\n", true),
            (format!("boxlite-guest: power off\n{}", "x".repeat(END)), false),
            ("boxlite-guest: power off? no\n".to_owned(), false),
            ("[    3.2] Kernel panic - not syncing: Attempted to kill init!\n".to_owned(), false),
            (String::new(), false),
        ] {
            let (_folder, _, console, mut writer) = console();
            writer.write_all(said.as_bytes()).unwrap();
            console.drain();
            assert_eq!(console.announced_power_off(), farewell, "{:?}", &said[..said.len().min(80)]);
        }
    }

    #[test]
    fn a_guest_that_never_stops_writing_keeps_nobody_from_ending_its_machine() {
        let (_folder, path, console, mut writer) = console();
        let (tell, over) = std::sync::mpsc::channel::<()>();
        let flood = thread::spawn(move || {
            while over.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
                writer.write_all(&[b'x'; 4096]).unwrap();
            }
        });
        for _ in 0..20 {
            console.drain();
        }
        drop(tell);
        flood.join().unwrap();
        assert!(fs::metadata(&path).unwrap().len() <= crate::bounded_log::LIMIT);
    }

    #[test]
    fn last_words_are_in_the_file_once_drained() {
        let (_folder, path, console, mut writer) = console();
        for line in 0..200 {
            writeln!(writer, "line {line}").unwrap();
        }
        console.drain();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 200);
        assert!(text.ends_with("line 199\n"));
    }
}
