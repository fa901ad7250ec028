//! Writes the guest's console into a file of bounded size. The engine writes into a pipe, and a thread moves what arrives into the
//! file. Opened by `terminator`.

use std::{
    fs::File,
    io::Read,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use boxlite_spec::ShimExit;
use boxlite_wire::power_off::MARKER;
use nix::{
    errno::Errno,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::pipe2,
};

use crate::{
    background,
    bounded_log::BoundedLog,
    error::{Context, Result},
};

/// How much of the console's end is searched for the power-off marker, in bytes. The kernel may print more after it.
const END: usize = 4096;

/// The capacity of a pipe, in bytes (pipe(7)).
const PIPE: usize = 64 << 10;

/// The host's end of a console. Clones are the same console.
#[derive(Clone)]
pub(crate) struct Console(Arc<Mutex<Pump>>);

struct Pump {
    pipe: File,
    log: BoundedLog,
    /// The last [`END`] bytes, which the file lacks if the host's disk is full.
    end: Vec<u8>,
}

impl Console {
    /// Truncates the file at `path` and starts the thread that fills it. Also returns the pipe's end for the engine.
    pub(crate) fn open(path: &Path) -> Result<(Self, OwnedFd)> {
        let log =
            BoundedLog::create(path).context(ShimExit::Resource, "create console file", path.display())?;
        let what = "for the console";
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).context(ShimExit::Resource, "make a pipe", what)?;
        let pipe = File::from(reader);
        let watched = pipe.try_clone().context(ShimExit::Resource, "make a pipe", what)?;
        let console = Self(Arc::new(Mutex::new(Pump { pipe, log, end: Vec::new() })));
        let pumping = console.clone();
        background::spawn("console", move || {
            while readable(&watched, PollTimeout::NONE) && pumping.pump() != Some(0) {}
        })?;
        Ok((console, writer))
    }

    /// Moves what the pipe still holds into the file, before the process exits. It stops after one pipe's capacity, so a guest that
    /// goes on writing can't block it.
    pub(crate) fn drain(&self) {
        let mut left = PIPE;
        while let Some(count @ 1..) = self.pump()
            && left > 0
        {
            left = left.saturating_sub(count);
        }
    }

    /// Whether the agent printed the power-off marker. Call this after [`drain`](Self::drain).
    pub(crate) fn announced_power_off(&self) -> bool {
        let pump = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&pump.end).lines().any(|line| line.trim_end().ends_with(MARKER))
    }

    /// Moves one chunk and returns its length, which is 0 if the pipe is closed; `None` if the pipe is empty. The lock is held while a
    /// chunk is read and written, so chunks keep their order.
    fn pump(&self) -> Option<usize> {
        let mut pump = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Pump { pipe, log, end } = &mut *pump;
        if !readable(&*pipe, PollTimeout::ZERO) {
            return None;
        }
        let mut chunk = [0; 4096];
        let count = pipe.read(&mut chunk).unwrap_or(0);
        // Output is lost if the host's disk is full, which must not stop the guest.
        let _ = log.append(&chunk[..count]);
        end.extend_from_slice(&chunk[..count]);
        end.drain(..end.len().saturating_sub(END));
        Some(count)
    }
}

/// Waits until `file` has bytes or has reached its end. Returns `false` if neither happened in time.
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
    use std::{fs, io::Write, thread};

    use super::*;

    fn console() -> (tempfile::TempDir, std::path::PathBuf, Console, File) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        let (console, writer) = Console::open(&path).unwrap();
        (folder, path, console, writer.into())
    }

    #[test]
    fn a_power_off_marker_counts_only_near_the_end_of_the_console() {
        for (output, announced) in [
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
            writer.write_all(output.as_bytes()).unwrap();
            console.drain();
            assert_eq!(console.announced_power_off(), announced, "{:?}", &output[..output.len().min(80)]);
        }
    }

    #[test]
    fn draining_ends_although_the_guest_never_stops_writing() {
        let (_folder, path, console, mut writer) = console();
        let (running, over) = std::sync::mpsc::channel::<()>();
        let flood = thread::spawn(move || {
            while over.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
                writer.write_all(&[b'x'; 4096]).unwrap();
            }
        });
        for _ in 0..20 {
            console.drain();
        }
        drop(running);
        flood.join().unwrap();
        assert!(fs::metadata(&path).unwrap().len() <= crate::bounded_log::LIMIT);
    }

    #[test]
    fn all_output_is_in_the_file_once_drained() {
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
