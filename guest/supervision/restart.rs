//! Whether and when the main process is started again. Pure.
//!
//! Called by `main_process` at each exit.

use std::time::Duration;

use boxlite_proto::v1::{ExitStatus, RestartPolicy, restart_policy::When};

/// A run of this length resets the count of restarts in a row.
const LONG_RUN: Duration = Duration::from_secs(10);

/// The longest delay.
const LONGEST: Duration = Duration::from_mins(1);

/// The first delay if the policy has none.
const FIRST: Duration = Duration::from_millis(100);

/// A policy, and the number of restarts in a row.
#[derive(Debug)]
pub(super) struct Restarts {
    policy: RestartPolicy,
    in_a_row: u32,
}

impl Restarts {
    pub(super) fn new(policy: Option<RestartPolicy>) -> Self {
        Self { policy: policy.unwrap_or_default(), in_a_row: 0 }
    }

    /// How long to wait before the next run, after one of the length `ran` that ended as `exit` says. `None` if there is none.
    pub(super) fn after(&mut self, exit: &ExitStatus, ran: Duration) -> Option<Duration> {
        if ran >= LONG_RUN {
            self.in_a_row = 0;
        }
        let wanted = match self.policy.when() {
            When::Never => false,
            When::OnFailure => exit.signal != 0 || exit.code != 0,
            When::Always => true,
        };
        let most = self.policy.max_restarts;
        if !wanted || (most > 0 && self.in_a_row >= most) {
            return None;
        }
        let first = match self.policy.delay_ms {
            0 => FIRST,
            delay_ms => Duration::from_millis(delay_ms.into()),
        };
        let delay = first.saturating_mul(1_u32.checked_shl(self.in_a_row).unwrap_or(u32::MAX)).min(LONGEST);
        self.in_a_row = self.in_a_row.saturating_add(1);
        Some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(5);

    fn restarts(when: When, max_restarts: u32, delay_ms: u32) -> Restarts {
        Restarts::new(Some(RestartPolicy { when: when.into(), max_restarts, delay_ms }))
    }

    fn exit(code: i32, signal: i32) -> ExitStatus {
        ExitStatus { code, signal, ..Default::default() }
    }

    #[test]
    fn each_policy_decides_which_exits_count() {
        assert_eq!(Restarts::new(None).after(&exit(1, 0), SHORT), None);
        let mut on_failure = restarts(When::OnFailure, 0, 0);
        assert_eq!(on_failure.after(&exit(1, 0), SHORT), Some(FIRST));
        assert!(on_failure.after(&exit(0, 9), SHORT).is_some());
        assert_eq!(on_failure.after(&exit(0, 0), SHORT), None);
        assert!(restarts(When::Always, 0, 0).after(&exit(0, 0), SHORT).is_some());
    }

    #[test]
    fn the_delay_doubles_up_to_a_minute_and_a_long_run_begins_anew() {
        let mut restarts = restarts(When::Always, 0, 1000);
        let delays: Vec<u64> =
            (0..40).filter_map(|_| restarts.after(&exit(1, 0), SHORT)).map(|delay| delay.as_secs()).collect();
        assert_eq!(delays[..7], [1, 2, 4, 8, 16, 32, 60]);
        assert!(delays[7..].iter().all(|delay| *delay == 60) && delays.len() == 40);
        assert_eq!(restarts.after(&exit(1, 0), LONG_RUN), Some(Duration::from_secs(1)));
    }

    #[test]
    fn only_restarts_in_a_row_are_counted() {
        let mut restarts = restarts(When::Always, 2, 0);
        assert!(restarts.after(&exit(1, 0), SHORT).is_some());
        assert!(restarts.after(&exit(1, 0), SHORT).is_some());
        assert!(restarts.after(&exit(1, 0), LONG_RUN).is_some());
        assert!(restarts.after(&exit(1, 0), SHORT).is_some());
        assert_eq!(restarts.after(&exit(1, 0), SHORT), None);
    }
}
