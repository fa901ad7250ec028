//! `ShimOutcome`: how a shim ended, and what a user can do about it. Read by `controller` and by whatever finds a machine gone.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::ExitStatus,
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, resource_limits};
use boxlite_spec::{ShimExit, ShimReport};

use crate::network::port_error;

/// How much of the end of a log is read: more than a report of the shim's can be.
const TAIL: u64 = 64 * 1024;
/// The message for a machine that ended without announcing it and without a request.
const GUEST_DIED: &str = "its guest died: the kernel panicked, or the agent gave up";
/// Console lines shown in an error.
const CONSOLE_LINES: usize = 12;

/// The end of a shim process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShimOutcome {
    /// Known to the process that started the shim.
    status: Option<ExitStatus>,
    report: Option<ShimReport>,
}

impl ShimOutcome {
    /// The end of a shim by the report in its `log`; a shim without one was killed. `status` is known to the process that started
    /// it.
    pub(crate) fn read(status: Option<ExitStatus>, log: Option<&File>) -> Self {
        let stderr = log.map(tail).unwrap_or_default();
        let report =
            stderr.lines().rev().find_map(|line| serde_json::from_str::<ShimReport>(line.trim()).ok());
        Self { status, report }
    }

    /// The same for a shim that has ended, and whose log is at `log`.
    ///
    /// # Errors
    /// Those of [`open_log`].
    pub(crate) fn from_log(log: &Path) -> BoxliteResult<Self> {
        Ok(Self::read(None, open_log(log)?.as_ref()))
    }

    fn exit(&self) -> Option<ShimExit> {
        let by_report = self.report.as_ref().map(|report| report.exit);
        if self.was_requested() {
            return by_report;
        }
        let by_status = self.status.and_then(|status| status.code()).and_then(ShimExit::from_code);
        by_status.or(by_report)
    }

    /// Whether the box was ended by force, on request.
    pub(crate) fn was_requested(&self) -> bool {
        self.report.as_ref().is_some_and(|report| report.exit == ShimExit::Asked)
    }

    /// How the process ended, for its parent.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        self.status
    }

    /// Whether the guest ended its machine, in order or not, so that what it reported is the better reason.
    pub(crate) fn by_guest(&self) -> bool {
        matches!(self.exit(), Some(ShimExit::PoweredOff | ShimExit::Unannounced))
    }

    /// What went wrong with a machine whose end was not requested, for its record. Returns `None` if nothing did. A guest that crashed
    /// said why on its console, if that is still there.
    pub(crate) fn failure(&self, console: Option<&Path>) -> Option<String> {
        match self.exit() {
            Some(ShimExit::PoweredOff | ShimExit::HostGone | ShimExit::Asked) => None,
            Some(ShimExit::Unannounced) => {
                Some(GUEST_DIED.to_owned() + &console.map(console_excerpt).unwrap_or_default())
            }
            _ => Some(self.describe()),
        }
    }

    /// Why it ended, in one line, whether or not that was requested.
    pub(crate) fn describe(&self) -> String {
        match (&self.report, self.status.and_then(|status| status.signal())) {
            (Some(report), _) => report.message.clone(),
            (None, Some(signal)) => format!("its shim was killed by signal {signal}"),
            (None, None) if self.exit() == Some(ShimExit::PoweredOff) => "the machine powered off".to_owned(),
            (None, None) => match self.status {
                Some(status) => format!("its shim ended with {status}"),
                None => "its shim ended without a report: it was killed, or the host went down".to_owned(),
            },
        }
    }

    /// The failure of the operation `what` that this end caused.
    pub(crate) fn into_error(self, what: &str, console: &Path) -> BoxliteError {
        let code = match self.exit() {
            // Nothing of the machine was there yet, so a console is one of before.
            Some(ShimExit::PortInUse) => return port_error::in_use(format!("{what}: {}", self.describe())),
            Some(ShimExit::PortDenied) => return port_error::denied(format!("{what}: {}", self.describe())),
            Some(ShimExit::EngineUnavailable) => ErrorCode::EngineUnsupported,
            Some(ShimExit::BootFile) => ErrorCode::PartMissing,
            Some(ShimExit::Disk) => ErrorCode::StorageIo,
            Some(ShimExit::Network) => ErrorCode::NetworkFailed,
            Some(ShimExit::PoweredOff | ShimExit::Unannounced) => ErrorCode::GuestFailed,
            // Only a removal ends a start from outside.
            Some(ShimExit::Asked) => ErrorCode::BoxRemoved,
            _ => ErrorCode::EngineFailed,
        };
        let said = self.describe();
        let why = if self.exit() == Some(ShimExit::Unannounced) { GUEST_DIED } else { &said };
        let message = format!("{what}: {why}{}", console_excerpt(console));
        let hint = self.report.and_then(|report| report.hint);
        BoxliteError::new(code, message).maybe_hint(hint).caused_by_text(&said)
    }
}

/// Opens the log of a shim that may have ended. Returns `None` if there is none, or if it can't be read.
///
/// # Errors
/// `HOST_LIMIT` if this process may open no more files: without its report, a shim would count as killed.
pub(crate) fn open_log(log: &Path) -> BoxliteResult<Option<File>> {
    match File::open(log) {
        Ok(file) => Ok(Some(file)),
        Err(error) if resource_limits::caused(&error) => Err(BoxliteError::io("open log", log, error)),
        Err(_) => Ok(None),
    }
}

/// Adds to the log of a shim, on its behalf, that its end was requested: it is about to be killed, or the box is removed with it.
/// Every process that reads the log then knows that nothing failed. A full disk only keeps the report out.
pub(crate) fn report_request(log: &Path, why: &str) {
    let report = ShimReport { exit: ShimExit::Asked, message: format!("run machine: {why}"), hint: None };
    if let (Ok(line), Ok(mut log)) =
        (serde_json::to_string(&report), OpenOptions::new().append(true).open(log))
    {
        let _ = log.write_all(format!("\n{line}\n").as_bytes());
    }
}

/// The console's last lines as an indented block, or nothing when it is empty.
pub(crate) fn console_excerpt(console: &Path) -> String {
    let Ok(console) = File::open(console) else { return String::new() };
    let text = tail(&console);
    let lines: Vec<_> = text.lines().map(printable).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return String::new();
    }
    let last = &lines[lines.len().saturating_sub(CONSOLE_LINES)..];
    format!("\nthe guest's console ends with:\n  {}", last.join("\n  "))
}

/// The console is the guest's: without control characters it can't play tricks on a terminal.
fn printable(line: &str) -> String {
    line.chars().filter(|c| !c.is_control() || *c == '\t').take(400).collect::<String>().trim_end().to_owned()
}

fn tail(mut file: &File) -> String {
    let mut read = || -> std::io::Result<Vec<u8>> {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_found_behind_other_lines() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let report = ShimReport { exit: ShimExit::Disk, message: "open disk `x`: gone".into(), hint: None };
        std::fs::write(log.path(), format!("noise\n{}\nmore\n", serde_json::to_string(&report).unwrap()))
            .unwrap();
        let outcome = ShimOutcome::read(Some(ExitStatus::from_raw(67 << 8)), Some(log.as_file()));
        let error = outcome.into_error("start box", Path::new("/nowhere"));
        assert_eq!(error.code(), ErrorCode::StorageIo);
        assert_eq!(error.to_string(), "start box: open disk `x`: gone");
    }

    #[test]
    fn a_port_that_somebody_took_meanwhile_has_its_code_and_no_console() {
        let folder = tempfile::tempdir().unwrap();
        let (log, console) = (folder.path().join("shim.log"), folder.path().join("console.log"));
        std::fs::write(&console, "of the run before").unwrap();
        for (exit, code) in
            [(ShimExit::PortInUse, ErrorCode::PortInUse), (ShimExit::PortDenied, ErrorCode::PortDenied)]
        {
            let message = "the network: publish port 80/tcp of the box on 127.0.0.1:8080: no".to_owned();
            let report = ShimReport { exit, message, hint: None };
            std::fs::write(&log, serde_json::to_string(&report).unwrap()).unwrap();
            let error = ShimOutcome::from_log(&log).unwrap().into_error("start box `b`", &console);
            assert_eq!(error.code(), code);
            assert_eq!(
                error.to_string(),
                "start box `b`: the network: publish port 80/tcp of the box on 127.0.0.1:8080: no"
            );
            assert!(error.hint_text().unwrap().to_string().contains("`host`"));
        }
    }

    #[test]
    fn the_console_is_quoted_without_escape_sequences() {
        let console = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(console.path(), "boot\n\x1b[31mKernel panic\r\n").unwrap();
        let text = console_excerpt(console.path());
        assert!(text.ends_with("  boot\n  [31mKernel panic"), "{text:?}");
    }

    #[test]
    fn a_guest_that_died_is_a_failure_and_one_that_ended_in_order_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (log, console) = (folder.path().join("shim.log"), folder.path().join("console.log"));
        std::fs::write(&console, "[    9.1] Kernel panic - not syncing: Attempted to kill init!\n").unwrap();
        let failure = |exit, status: i32| {
            let report = ShimReport { exit, message: "run machine: it ended".into(), hint: None };
            std::fs::write(&log, serde_json::to_string(&report).unwrap()).unwrap();
            let others = ShimOutcome::from_log(&log).unwrap();
            let mine = ShimOutcome { status: Some(ExitStatus::from_raw(status << 8)), ..others.clone() };
            // Every process reports the same.
            assert_eq!(mine.failure(Some(&console)), others.failure(Some(&console)));
            mine.failure(Some(&console))
        };
        assert_eq!(failure(ShimExit::PoweredOff, 0), None);
        assert_eq!(failure(ShimExit::HostGone, 70), None);
        assert_eq!(failure(ShimExit::Engine, 69).unwrap(), "run machine: it ended");
        let died = failure(ShimExit::Unannounced, 73).unwrap();
        assert!(died.starts_with(GUEST_DIED) && died.ends_with("Attempted to kill init!"), "{died}");
    }

    #[test]
    fn a_signal_is_described() {
        let outcome = ShimOutcome { status: Some(ExitStatus::from_raw(9)), report: None };
        assert_eq!(outcome.describe(), "its shim was killed by signal 9");
    }
}
