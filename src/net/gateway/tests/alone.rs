//! A test in a process of its own with few descriptors: what is left to it is not what other tests take, and what it takes can be measured.

use std::{env, fs::File, os::unix::fs::FileExt as _, process::Command};

/// Set in that process.
const ALONE: &str = "BOXLITE_TEST_ALONE";

/// Whether this is that process. If not, it is started for the test of this name, and there is nothing more to do here.
pub(super) fn is_alone(test: &str, descriptors: u32) -> bool {
    if env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -n {descriptors} && exec \"$0\" --exact \"$1\"")])
        .arg(env::current_exe().unwrap())
        .arg(format!("gateway::tests::{test}"));
    let output = command.env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// Reads how much memory this process has, also when it has no descriptors left.
pub(super) struct Memory(File);

impl Memory {
    pub(super) fn of_this_process() -> Self {
        Self(File::open("/proc/self/status").unwrap())
    }

    pub(super) fn resident_kib(&self) -> usize {
        let mut bytes = vec![0; 8192];
        let length = self.0.read_at(&mut bytes, 0).unwrap();
        let status = String::from_utf8_lossy(&bytes[..length]);
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}
