//! Reads libkrun's log. When libkrun fails, its API returns only an errno, and the reason is only in its log. Created by `engine`.

use std::{
    fs::File,
    io::Read,
    os::fd::{AsRawFd, IntoRawFd},
};

use boxlite_spec::ShimExit;
use nix::{fcntl::OFlag, unistd::pipe2};

use super::context;
use crate::error::{Context as _, Result};

/// libkrun's log at level error, in a pipe that is read only after the machine has ended. When the pipe is full, further messages
/// are lost, so a guest that provokes errors without end costs 64 KiB.
pub(super) struct Log(File);

impl Log {
    /// Opens the log. libkrun allows this once in a process.
    pub(super) fn open() -> Result<Self> {
        let pipe = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK);
        let (reader, writer) = pipe.context(ShimExit::Resource, "make a pipe", "for libkrun's log")?;
        context::log_errors_to(writer.as_raw_fd())?;
        // libkrun owns the descriptor now.
        let _ = writer.into_raw_fd();
        Ok(Self(reader.into()))
    }

    /// Returns the last message, without time and level.
    pub(super) fn last_message(&mut self) -> Option<String> {
        let mut text = Vec::new();
        // The read ends with EAGAIN, since the writer is still open.
        let _ = self.0.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
        Some(message(line).to_owned())
    }
}

/// Returns the message of a line like `[2026-01-01T00:00:00.000000Z ERROR krun] message`.
fn message(line: &str) -> &str {
    line.split_once("] ").filter(|(head, _)| head.starts_with('[')).map_or(line, |(_, message)| message)
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn a_log_line_is_stripped_to_its_message() {
        assert_eq!(
            message("[2026-01-01T00:00:00.000000Z ERROR krun] Building the microVM failed: X[1]"),
            "Building the microVM failed: X[1]"
        );
        assert_eq!(message("no head"), "no head");
    }
}
