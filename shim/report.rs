//! Writes a `ShimReport` as the last line of standard error. Called by `main`, `machine` and `lifeline`; calls `process` to exit after
//! a panic.

use std::{io::Write as _, panic};

use boxlite_spec::{ShimExit, ShimReport};
use boxlite_vmm::Error;

use crate::process;

/// Returns the report of a normal end: the guest powered off.
pub(crate) fn powered_off() -> ShimReport {
    ShimReport::new(ShimExit::PoweredOff, "the machine powered off")
}

/// Converts an engine's error into a report.
pub(crate) fn from_vmm(error: &Error) -> ShimReport {
    ShimReport { exit: error.kind(), message: error.sentence(), hint: error.hint().map(str::to_owned) }
}

/// The longest message, in bytes. As JSON, the line must not be longer than the part of the log's end that the runtime reads.
const MESSAGE_MAX: usize = 4096;

/// Writes the report and returns the exit status. A failure to write is ignored: the reader may have exited.
pub(crate) fn write(report: &ShimReport) -> u8 {
    let mut report = report.clone();
    report.message.truncate(report.message.floor_char_boundary(MESSAGE_MAX));
    if let Ok(line) = serde_json::to_string(&report) {
        let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
    }
    report.exit.code()
}

/// Makes every panic, on any thread, in our code or in libkrun, end the process with a report.
pub(crate) fn catch_panics() {
    panic::set_hook(Box::new(|info| {
        let message = format!("panicked: {info}").replace('\n', " ");
        process::exit(write(&ShimReport::new(ShimExit::Engine, message)));
    }));
}
