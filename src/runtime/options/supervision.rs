//! `SupervisionOptions`: what a box does on its own: run a main process, restart it, check its health, end by itself.
//! Part of `BoxOptions`, stored in `config.json`; `supervision_spec` makes the guest's config of it.

use boxlite_error::{BoxliteResult, Term, named, text};
use serde::{Deserialize, Serialize};

use crate::options::{bound::require, signal};

/// Most arguments of a command line, each at most [`WORD`] bytes.
const WORDS: usize = 1024;
/// The kernel's bound for one argument (execve(2), `MAX_ARG_STRLEN`).
const WORD: usize = 128 * 1024 - 1;
/// Most bytes of all arguments: what comes with the container has to fit in a message.
const COMMAND_LINE: usize = 256 * 1024;

/// Longest lifetime and idle time in milliseconds: a leap year.
const LONGEST_LIMIT: u64 = 366 * 24 * 60 * 60 * 1000;

/// The latest time that every face can represent: ECMA-262's bound of time values.
const LAST_MOMENT: u64 = 8_640_000_000_000_000;

/// Refuses an end of a box that is before `now_ms`; 0 is never.
pub(crate) fn check_end(ends_at_ms: u64, now_ms: u64) -> BoxliteResult<()> {
    let good = ends_at_ms == 0 || (now_ms < ends_at_ms && ends_at_ms <= LAST_MOMENT);
    require(good, "ends_at_ms", || {
        format!("must be to come, and at most {LAST_MOMENT}: {ends_at_ms}, and it is {now_ms}")
    })
}

/// What a box does on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SupervisionOptions {
    /// Run the image's program as the box's main process. So does giving `entrypoint` or `cmd`.
    pub main: bool,
    /// Replaces the image's entrypoint and its `cmd`.
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the image's `cmd`.
    pub cmd: Option<Vec<String>>,
    /// The signal that ends the main process: a name or a number. Default: the image's, else SIGTERM.
    pub stop_signal: Option<String>,
    /// When the main process is started again.
    pub restart: RestartPolicy,
    /// Whether the main process is the container's pid 1, in place of the agent's init.
    pub main_is_init: bool,
    /// How its health is checked.
    pub health: HealthOption,
    /// Milliseconds from its start after which the box stops; 0 is never.
    pub max_lifetime_ms: u64,
    /// Milliseconds without an execution and without a call of the host after which it stops; 0 is never.
    pub idle_timeout_ms: u64,
    /// When it stops, in milliseconds since the Unix epoch; 0 is never.
    pub ends_at_ms: u64,
}

/// When a main process that ended is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// The ends after which it is started again.
    pub when: RestartWhen,
    /// Restarts in a row; 0 is no limit.
    pub max_retries: u32,
    /// Milliseconds before the first one, doubled for each in the row up to one minute; 0 is 100.
    pub delay_ms: u32,
}

named! {
    /// After which ends a main process is started again.
    #[derive(Default)]
    pub enum RestartWhen {
        /// After none: the box ends with it.
        #[default]
        No = "no",
        /// After an exit code other than 0, or a signal.
        OnFailure = "on-failure",
        /// After any.
        Always = "always",
    }
}

/// Which health check is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthOption {
    /// The image's check, if the box runs a main process.
    #[default]
    Image,
    /// None.
    Off,
    /// This one.
    Own(HealthCheck),
}

/// A health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    /// What is tried.
    pub probe: Probe,
    /// Milliseconds between two checks.
    pub interval_ms: u32,
    /// Milliseconds that one may take.
    pub timeout_ms: u32,
    /// Failures in a row that make the box unhealthy.
    pub retries: u32,
    /// Milliseconds after the start in which failures don't count, until the first success.
    pub start_period_ms: u32,
}

/// An empty command, which is refused.
impl Default for HealthCheck {
    fn default() -> Self {
        Self::new(Probe::Command(Vec::new()))
    }
}

impl HealthCheck {
    /// `probe`, with docker's defaults.
    pub const fn new(probe: Probe) -> Self {
        Self { probe, interval_ms: 30_000, timeout_ms: 30_000, retries: 3, start_period_ms: 0 }
    }
}

/// What a health check tries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// A command, whose exit code 0 is healthy.
    Command(Vec<String>),
    /// A connection to this port on 127.0.0.1 inside the box.
    TcpPort(u16),
}

impl SupervisionOptions {
    /// Whether the box has a main process.
    pub(crate) fn has_main(&self) -> bool {
        self.main || self.entrypoint.is_some() || self.cmd.is_some()
    }

    pub(crate) fn check(&self) -> BoxliteResult<()> {
        for (option, words) in [("entrypoint", &self.entrypoint), ("cmd", &self.cmd)] {
            words.as_deref().map_or(Ok(()), |words| check_words(option, words))?;
        }
        if let Some(name) = &self.stop_signal {
            let why = || format!("no signal of Linux: {name:?}");
            require(signal::number(name).is_some(), "stop_signal", why).map_err(|error| {
                error.hint("use a name such as `SIGINT` or `SIGRTMIN+3`, or a number from 1 to 64")
            })?;
        }
        let why = || {
            let its_end = ") can't be started again: its end ends every process of the container";
            text!["a main process that is pid 1 (", Term::MainIsInit, its_end]
        };
        let main_is_init = Term::Option("main_is_init");
        require(!self.main_is_init || self.restart.when == RestartWhen::No, "restart", why).map_err(
            |error| {
                error.hint(text![
                    "leave `restart` out and start the box again, or leave ",
                    main_is_init,
                    " out"
                ])
            },
        )?;
        for (option, is_given) in [
            ("restart", self.restart != RestartPolicy::default()),
            ("main_is_init", self.main_is_init),
            ("stop_signal", self.stop_signal.is_some()),
        ] {
            let why = || "the box has no main process";
            require(self.has_main() || !is_given, option, why).map_err(|error| {
                error.hint("give `main: true` to run the image's program, or `entrypoint` or `cmd`")
            })?;
        }
        for (option, limit) in
            [("max_lifetime_ms", self.max_lifetime_ms), ("idle_timeout_ms", self.idle_timeout_ms)]
        {
            let good = limit <= LONGEST_LIMIT;
            require(good, option, || format!("must be at most {LONGEST_LIMIT}: {limit}"))?;
        }
        match &self.health {
            HealthOption::Own(check) => check.check(),
            HealthOption::Image | HealthOption::Off => Ok(()),
        }
    }
}

impl HealthCheck {
    fn check(&self) -> BoxliteResult<()> {
        let (interval, timeout) = (Term::Option("interval_ms"), Term::Option("timeout_ms"));
        require(![self.interval_ms, self.timeout_ms, self.retries].contains(&0), "health", || {
            text![interval, ", ", timeout, " and `retries` must be 1 or more"]
        })?;
        match &self.probe {
            Probe::Command(words) => {
                require(!words.is_empty(), "health", || "its command is empty")?;
                check_words("health", words)
            }
            Probe::TcpPort(port) => require(*port != 0, "health", || "a TCP port is 1 to 65535: 0"),
        }
    }
}

/// A command line that execve takes and a message holds.
fn check_words(option: &'static str, words: &[String]) -> BoxliteResult<()> {
    let count = words.len();
    require(count <= WORDS, option, || format!("must have at most {WORDS} words: {count}"))?;
    let has_program = words.first().is_none_or(|word| !word.is_empty());
    require(has_program, option, || "its program is an empty word")?;
    for word in words {
        require(!word.contains('\0'), option, || format!("contains a NUL byte: {word:?}"))?;
    }
    let bytes: usize = words.iter().map(String::len).sum();
    require(bytes <= COMMAND_LINE && words.iter().all(|word| word.len() <= WORD), option, || {
        format!("must have at most {WORD} bytes a word and {COMMAND_LINE} in all: {bytes}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn what_needs_a_main_process_is_refused_without_one() {
        let restart = RestartPolicy { when: RestartWhen::Always, ..Default::default() };
        let mut options = SupervisionOptions { restart, ..Default::default() };
        assert!(options.check().unwrap_err().to_string().contains("`restart`"));
        options.cmd = Some(words(&["serve"]));
        options.check().unwrap();
        let options = SupervisionOptions { stop_signal: Some("INT".into()), ..Default::default() };
        assert!(options.check().unwrap_err().to_string().contains("`stop_signal`"));
    }

    #[test]
    fn command_lines_are_bounded() {
        let check = |cmd| {
            SupervisionOptions { cmd: Some(cmd), ..Default::default() }.check().map_err(|e| e.to_string())
        };
        assert!(check(words(&["a", ""])).is_ok());
        assert!(check(words(&[""])).unwrap_err().contains("empty"));
        assert!(check(words(&["a\0"])).unwrap_err().contains("NUL"));
        assert!(check(vec!["a".to_owned(); WORDS + 1]).unwrap_err().contains("words"));
        assert!(check(words(&["a", &"x".repeat(WORD + 1)])).unwrap_err().contains("bytes"));
    }

    #[test]
    fn a_health_check_needs_something_to_try() {
        let check = |probe| {
            let health = HealthOption::Own(HealthCheck::new(probe));
            SupervisionOptions { health, ..Default::default() }.check().map_err(|error| error.to_string())
        };
        assert!(check(Probe::Command(vec![])).unwrap_err().contains("its command is empty"));
        assert!(check(Probe::TcpPort(0)).unwrap_err().contains("a TCP port is 1 to 65535"));
        assert!(check(Probe::TcpPort(80)).is_ok());
    }

    #[test]
    fn an_end_is_to_come_and_within_what_a_date_can_be() {
        for (end, good) in
            [(0, true), (1001, true), (LAST_MOMENT, true), (1000, false), (1, false), (u64::MAX, false)]
        {
            assert_eq!(check_end(end, 1000).is_ok(), good, "{end}");
        }
    }

    #[test]
    fn it_survives_the_config_file() {
        let options = SupervisionOptions {
            main: true,
            restart: RestartPolicy { when: RestartWhen::OnFailure, max_retries: 3, delay_ms: 5 },
            health: HealthOption::Own(HealthCheck::new(Probe::Command(vec!["true".into()]))),
            ..Default::default()
        };
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<SupervisionOptions>(&text).unwrap(), options);
        assert_eq!(serde_json::from_str::<SupervisionOptions>("{}").unwrap(), SupervisionOptions::default());
    }
}
