//! The box's health: checked at intervals, and reported when it changes.
//!
//! Started by `begin`; calls `check`. [`State`], which is pure, decides what the checks mean.

use std::time::Duration;

use boxlite_proto::v1::{HealthChanged, HealthCheck, box_event::Event, health_changed::Health};
use tokio::time::{Instant, sleep};

use super::{
    check::{Outcome, check},
    supervisor::Supervisor,
};

/// The values if the configuration has 0, which are docker's defaults.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: u32 = 3;

/// The longest interval while a box is given time to start (docker's start interval).
const START_INTERVAL: Duration = Duration::from_secs(5);

/// Checks until the machine ends, and begins anew with each run of the main process.
pub(super) async fn watch(supervisor: Supervisor, config: HealthCheck) {
    let Some(what) = config.check.clone() else { return };
    let interval = or(config.interval_ms, INTERVAL);
    let mut runs = supervisor.0.runs.subscribe();
    loop {
        runs.mark_unchanged();
        let mut state = State::new(&config);
        supervisor.emit(Event::Health(state.report(String::new())));
        let began = Instant::now();
        let again = async {
            loop {
                let starting = state.is_in_start_period(began.elapsed());
                sleep(if starting { interval.min(START_INTERVAL) } else { interval }).await;
                let Outcome { healthy, output } =
                    check(&supervisor.0.executions, &what, or(config.timeout_ms, TIMEOUT)).await;
                if state.note(healthy, began.elapsed()) {
                    supervisor.emit(Event::Health(state.report(output)));
                }
            }
        };
        tokio::select! {
            () = again => {}
            changed = runs.changed() => if changed.is_err() { return },
            () = supervisor.shutdown_begun() => return,
        }
    }
}

fn or(milliseconds: u32, default: Duration) -> Duration {
    if milliseconds == 0 { default } else { Duration::from_millis(milliseconds.into()) }
}

/// The results of the checks so far.
#[derive(Debug)]
struct State {
    health: Health,
    /// In a row.
    failures: u32,
    retries: u32,
    start_period: Duration,
}

impl State {
    fn new(config: &HealthCheck) -> Self {
        Self {
            health: Health::Starting,
            failures: 0,
            retries: if config.retries == 0 { RETRIES } else { config.retries },
            start_period: Duration::from_millis(config.start_period_ms.into()),
        }
    }

    /// Notes a check. Returns true if it changes the health.
    fn note(&mut self, healthy: bool, since_start: Duration) -> bool {
        let before = self.health;
        if healthy {
            self.failures = 0;
            self.health = Health::Healthy;
        } else if !self.is_in_start_period(since_start) {
            self.failures = self.failures.saturating_add(1);
            if self.failures >= self.retries {
                self.health = Health::Unhealthy;
            }
        }
        self.health != before
    }

    /// Whether failures do not count yet.
    fn is_in_start_period(&self, since_start: Duration) -> bool {
        self.health == Health::Starting && since_start < self.start_period
    }

    fn report(&self, output: String) -> HealthChanged {
        HealthChanged { health: self.health.into(), output, failures: self.failures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(100);

    fn state(retries: u32, start_period_ms: u32) -> State {
        State::new(&HealthCheck { retries, start_period_ms, ..Default::default() })
    }

    #[test]
    fn so_many_failures_in_a_row_are_unhealthy_and_one_success_is_not() {
        let mut state = state(3, 0);
        assert!(!state.note(false, LATER) && !state.note(false, LATER));
        assert!(state.note(true, LATER), "starting becomes healthy");
        assert!(!state.note(false, LATER) && !state.note(false, LATER));
        assert_eq!(state.health, Health::Healthy);
        assert!(state.note(false, LATER));
        assert_eq!((state.health, state.failures), (Health::Unhealthy, 3));
        assert!(!state.note(false, LATER) && state.note(true, LATER));
        assert_eq!((state.health, state.failures), (Health::Healthy, 0));
    }

    #[test]
    fn failures_of_the_start_do_not_count_until_the_first_success() {
        let early = Duration::from_secs(1);
        let mut patient = state(1, 10_000);
        assert!(!patient.note(false, early) && patient.failures == 0);
        assert!(patient.note(true, early));
        assert!(patient.note(false, early), "it had started");
        let mut late = state(1, 10_000);
        assert!(late.note(false, LATER));
    }

    #[test]
    fn docker_gives_three_tries() {
        let mut state = state(0, 0);
        assert_eq!((0..3).map(|_| state.note(false, LATER)).collect::<Vec<_>>(), [false, false, true]);
    }
}
