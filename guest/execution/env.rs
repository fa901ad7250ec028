//! What an execution takes from its container: environment, working directory, user.
//!
//! Called by `table`. Pure.

use std::collections::HashSet;

use boxlite_proto::v1::{ExecRequest, Process};
use indexmap::IndexMap;

/// PATH of a process whose image sets none (docker's `DefaultPathEnv`).
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// TERM of a process that gets a terminal and no TERM, as docker sets it.
const TERM: &str = "TERM=xterm";

/// The container's defaults.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    pub(super) env: Vec<String>,
    cwd: String,
    user: String,
}

impl Defaults {
    /// The defaults of `Container.Init`.
    pub fn new(process: Process) -> Self {
        Self { env: process.env, cwd: process.cwd, user: process.user }
    }

    /// Completes what `request` leaves open, but for HOME, which takes the container's passwd file.
    pub(super) fn complete(&self, request: &mut ExecRequest) {
        if request.env.is_empty() && request.unset.is_empty() {
            // The host names each variable of the container once, so there is nothing to merge.
            request.env.clone_from(&self.env);
        } else {
            request.env = merge(&self.env, std::mem::take(&mut request.env), &request.unset);
        }
        for default in std::iter::once(PATH).chain(request.tty.is_some().then_some(TERM)) {
            let name = key(default);
            if !has(&request.env, name) && !request.unset.iter().any(|unset| unset == name) {
                request.env.push(default.to_owned());
            }
        }
        if request.cwd.is_empty() {
            request.cwd.clone_from(&self.cwd);
        }
        if request.user.is_empty() {
            request.user.clone_from(&self.user);
        }
    }
}

/// `base` without `unset`, then `over`. An entry of `over` replaces one of `base` with its key, and a later entry an earlier one.
/// Each key keeps its first place.
fn merge(base: &[String], over: Vec<String>, unset: &[String]) -> Vec<String> {
    let unset: HashSet<&str> = unset.iter().map(String::as_str).collect();
    let kept = base.iter().filter(|entry| !unset.contains(key(entry))).cloned();
    let by_key = kept.chain(over).map(|entry| (key(&entry).to_owned(), entry));
    by_key.collect::<IndexMap<_, _>>().into_values().collect()
}

fn has(env: &[String], name: &str) -> bool {
    env.iter().any(|entry| key(entry) == name)
}

fn key(entry: &str) -> &str {
    entry.split_once('=').map_or(entry, |(key, _)| key)
}

#[cfg(test)]
mod tests {
    use boxlite_proto::v1::TtySize;

    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_execution_overrides_by_key() {
        let merged = merge(&strings(&["A=1", "B=2"]), strings(&["B=3", "C=x=y", "C=z", "AB=4"]), &[]);
        assert_eq!(merged, ["A=1", "B=3", "C=z", "AB=4"]);
    }

    #[test]
    fn a_variable_that_is_unset_is_gone_and_has_no_default() {
        let defaults = Defaults { env: strings(&["A=1", "AB=2", "PATH=/x"]), ..Default::default() };
        let unset = strings(&["A", "PATH", "TERM", "NONE"]);
        let mut request = ExecRequest { unset, tty: Some(TtySize::default()), ..Default::default() };
        defaults.complete(&mut request);
        assert_eq!(request.env, ["AB=2"]);
    }

    #[test]
    fn a_hundred_thousand_variables_merge_in_no_time() {
        let many =
            |from: usize| (from..from + 100_000).map(|number| format!("V{number}=x")).collect::<Vec<_>>();
        assert_eq!(merge(&many(0), many(50_000), &[]).len(), 150_000);
    }

    #[test]
    fn defaults_fill_only_what_is_open() {
        let defaults = Defaults { env: strings(&["PATH=/x"]), cwd: "/srv".into(), user: "web".into() };
        let mut request = ExecRequest { user: "root".into(), ..Default::default() };
        defaults.complete(&mut request);
        assert_eq!((request.cwd.as_str(), request.user.as_str()), ("/srv", "root"));
        assert_eq!(request.env, ["PATH=/x"]);
    }

    #[test]
    fn path_and_term_where_missing() {
        let mut request = ExecRequest { tty: Some(TtySize::default()), ..Default::default() };
        Defaults::default().complete(&mut request);
        assert_eq!(request.env, [PATH, TERM]);
    }
}
