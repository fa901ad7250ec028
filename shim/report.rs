//! The shim's last words: a `ShimReport` as the last line on standard error. Called by every room that fails.

use std::{io::Write as _, panic};

use boxlite_spec::{ShimExit, ShimReport};
use boxlite_vmm::Error;

use crate::process;

/// A report without a hint.
pub(crate) fn new(exit: ShimExit, message: impl Into<String>) -> ShimReport {
    ShimReport { exit, message: message.into(), hint: None }
}

/// The guest powered off: the normal end.
pub(crate) fn powered_off() -> ShimReport {
    new(ShimExit::PoweredOff, "the machine powered off")
}

/// What a VMM said, as a report.
pub(crate) fn from_vmm(error: &Error) -> ShimReport {
    ShimReport { exit: error.kind(), message: error.sentence(), hint: error.hint().map(str::to_owned) }
}

/// Longest message in bytes, so that the line, in JSON, is never longer than what the runtime reads of the log's end.
const LONGEST: usize = 4096;

/// Writes the report and returns the exit status. Nobody may be reading any more, which changes nothing.
pub(crate) fn write(report: &ShimReport) -> u8 {
    let mut report = report.clone();
    report.message.truncate(report.message.floor_char_boundary(LONGEST));
    if let Ok(line) = serde_json::to_string(&report) {
        let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
    }
    report.exit.code()
}

/// From here on, a panic, ours or libkrun's, is a report too, whatever thread it hits.
pub(crate) fn catch_panics() {
    panic::set_hook(Box::new(|info| {
        let message = format!("panicked: {info}").replace('\n', " ");
        process::leave(write(&new(ShimExit::Engine, message)));
    }));
}
