//! What the list of executions says about one of them.
//!
//! Created by `table` from the request; returned by the Execution service's `List`.

use std::{sync::OnceLock, time::Instant};

use boxlite_proto::v1::{ExecRequest, ExecutionInfo};
use boxlite_wire::limits;

/// The command, its age, and how it was started.
#[derive(Debug)]
pub(super) struct Summary {
    request: ExecutionInfo,
    since: Instant,
    pub(super) pid: OnceLock<u32>,
}

impl Summary {
    /// Summarises `request`. The command and its arguments are cut to [`limits::LISTED`] bytes in total.
    pub(super) fn new(request: &ExecRequest) -> Self {
        let mut left = limits::LISTED;
        let mut cut = |text: &str| {
            let end = (0..=left.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
            let start = text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned();
            left -= start.len();
            start
        };
        let command = cut(&request.command);
        // The first argument that does not fit is listed in part, which shows that something is missing.
        let args = request.args.iter().take(limits::LISTED / 8).map(|arg| cut(arg)).collect();
        let (tty, detached) = (request.tty.is_some(), request.detached);
        let request = ExecutionInfo { command, args, tty, detached, ..ExecutionInfo::default() };
        Self { request, since: Instant::now(), pid: OnceLock::new() }
    }

    /// The entry of the list for the execution `id`.
    pub(super) fn entry(&self, id: &str) -> ExecutionInfo {
        ExecutionInfo {
            id: id.to_owned(),
            pid: self.pid.get().copied().unwrap_or(0),
            age_ms: u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..self.request.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_arguments_are_cut_between_characters() {
        let args = vec!["a".repeat(limits::LISTED - 4), "\u{e4}".repeat(50), "more".into()];
        let request = ExecRequest { command: "ls".into(), args, ..Default::default() };
        let entry = Summary::new(&request).entry("x");
        assert_eq!((entry.command.as_str(), entry.args[0].len()), ("ls", limits::LISTED - 4));
        assert_eq!(entry.args[1], "\u{e4}");
        assert_eq!(entry.args[2], "");
    }
}
