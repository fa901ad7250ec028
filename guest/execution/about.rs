//! What the list of executions tells of one.
//!
//! Made by `table` from the request; told by the Execution service.

use std::{sync::OnceLock, time::Instant};

use boxlite_proto::v1::{ExecRequest, RunningExecution};
use boxlite_wire::limits;

/// One execution in short.
#[derive(Debug)]
pub(super) struct About {
    command: String,
    args: Vec<String>,
    tty: bool,
    pub(super) detached: bool,
    since: Instant,
    pub(super) pid: OnceLock<u32>,
}

impl About {
    /// Of the execution that `request` asks for, its words cut to [`limits::LISTED`] bytes.
    pub(super) fn new(request: &ExecRequest) -> Self {
        let mut room = limits::LISTED;
        let mut take = |word: &str| {
            let end = (0..=room.min(word.len())).rev().find(|end| word.is_char_boundary(*end));
            let kept = word.get(..end.unwrap_or(0)).unwrap_or_default().to_owned();
            room -= kept.len();
            kept
        };
        let command = take(&request.command);
        // One word more than fits is told in part, so that what is missing shows.
        let args = request.args.iter().take(limits::LISTED / 8).map(|word| take(word)).collect();
        let (tty, detached) = (request.tty.is_some(), request.detached);
        Self { command, args, tty, detached, since: Instant::now(), pid: OnceLock::new() }
    }

    /// For the list, under the id `execution_id`.
    pub(super) fn tell(&self, execution_id: &str) -> RunningExecution {
        RunningExecution {
            execution_id: execution_id.to_owned(),
            pid: self.pid.get().copied().unwrap_or(0),
            command: self.command.clone(),
            args: self.args.clone(),
            tty: self.tty,
            detached: self.detached,
            age_ms: u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_cut_between_characters() {
        let args = vec!["a".repeat(limits::LISTED - 4), "\u{e4}".repeat(50), "more".into()];
        let request = ExecRequest { command: "ls".into(), args, ..Default::default() };
        let told = About::new(&request).tell("x");
        assert_eq!((told.command.as_str(), told.args[0].len()), ("ls", limits::LISTED - 4));
        assert_eq!(told.args[1], "\u{e4}");
        assert_eq!(told.args[2], "");
    }
}
