//! The environment of a shim and of the engine that it starts: of this program's own, with its API keys and passwords, they
//! get what finds QEMU and its libraries, and nothing else; besides, what keeps their memory small. Used wherever a shim is started.

use std::{env, process::Command};

/// `PATH` leads to QEMU, `LD_LIBRARY_PATH` to libraries in unusual places.
const KEPT: [&str; 2] = ["PATH", "LD_LIBRARY_PATH"];

/// What keeps an idle box small. One arena for all threads: glibc gives each a memory of its own otherwise (mallopt(3)). Stacks of 1 MiB:
/// where the host's kernel uses huge pages unasked, it makes one page of a stack of 2 MiB that happens to be aligned.
const ADDED: [(&str, &str); 2] = [("MALLOC_ARENA_MAX", "1"), ("RUST_MIN_STACK", "1048576")];

/// Gives `command` that environment.
pub(crate) fn reduce(command: &mut Command) -> &mut Command {
    let kept = KEPT.into_iter().filter_map(|name| Some((name, env::var_os(name)?)));
    command.env_clear().envs(kept).envs(ADDED)
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
        let added: std::collections::BTreeSet<_> = ADDED.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.into_iter().collect::<std::collections::BTreeSet<_>>(), added);
    }
}
