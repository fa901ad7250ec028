//! The environment of a shim and of the engine that it starts: of this program's own, with its API keys and passwords, they
//! get what finds QEMU and its libraries, and nothing else. Used wherever a shim is started.

use std::{env, process::Command};

/// `PATH` leads to QEMU, `LD_LIBRARY_PATH` to libraries in unusual places.
const KEPT: [&str; 2] = ["PATH", "LD_LIBRARY_PATH"];

/// Gives `command` that environment.
pub(crate) fn reduce(command: &mut Command) -> &mut Command {
    let kept = KEPT.into_iter().filter_map(|name| Some((name, env::var_os(name)?)));
    command.env_clear().envs(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_else_is_inherited() {
        let output = reduce(&mut Command::new("/usr/bin/env")).output().unwrap();
        let names: Vec<_> = std::str::from_utf8(&output.stdout)
            .unwrap()
            .lines()
            .filter_map(|line| line.split('=').next())
            .filter(|name| !KEPT.contains(name))
            .collect();
        // Cargo sets a dozen for its tests.
        assert!(env::vars_os().count() > KEPT.len());
        assert_eq!(names, [""; 0]);
    }
}
