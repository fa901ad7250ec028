//! What a running box costs its host: CPU time and memory of its shim and of what that started (QEMU), from /proc.
//! Read by a box's metrics.

use std::fs;

use serde::{Deserialize, Serialize};

/// CPU time and memory of a box's processes on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostUsage {
    /// Milliseconds, user and system together.
    pub cpu_time_ms: u64,
    /// Bytes in memory, those shared with other processes counted in full.
    pub rss: u64,
    /// Bytes in memory, those shared counted in parts.
    pub pss: u64,
}

/// Milliseconds in a tick of /proc's times: `USER_HZ` is 100 on x86-64 and arm64 (`proc_pid_stat(5)`, `time(7)`).
const TICK_MS: u64 = 10;

/// Returns the usage of the process and its children, or `None` if it has ended or there is no /proc.
pub(crate) fn of(pid: u32) -> Option<HostUsage> {
    let mut usage = one(pid)?;
    for child in children(pid) {
        // A child that ended meanwhile costs nothing.
        let of_child = one(child).unwrap_or_default();
        usage.cpu_time_ms += of_child.cpu_time_ms;
        usage.rss += of_child.rss;
        usage.pss += of_child.pss;
    }
    Some(usage)
}

fn one(pid: u32) -> Option<HostUsage> {
    let cpu_time_ms = ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)? * TICK_MS;
    // The kernel refuses it for a process that is just ending.
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    Some(HostUsage { cpu_time_ms, rss: kib(&rollup, "Rss:") * 1024, pss: kib(&rollup, "Pss:") * 1024 })
}

/// `utime` and `stime`, the 14th and 15th field; the second, the name, may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

fn kib(rollup: &str, name: &str) -> u64 {
    let line = rollup.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Of all of its threads.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let pids =
        |list: String| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>();
    lists.flat_map(pids).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn a_name_full_of_traps_does_not_mislead() {
        assert_eq!(ticks("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20"), Some(42));
        assert_eq!(ticks("7 (a"), None);
    }

    /// Of a process with one thread: the kernel may leave out children of one whose threads come and go, as this one's
    /// do (proc(5), `/proc/PID/task/TID/children`).
    #[test]
    fn a_child_counts_too() {
        let mut parent = Command::new("sh")
            .args(["-c", "cat; :"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh is everywhere");
        let mut stdin = parent.stdin.take().expect("piped");
        stdin.write_all(b"there\n").expect("cat reads");
        let mut said = String::new();
        let stdout = parent.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut said).expect("cat answers");
        assert_eq!((said.as_str(), children(parent.id()).len()), ("there\n", 1));
        let usage = of(parent.id()).expect("it runs");
        assert!(usage.rss > one(parent.id()).expect("it runs").rss && usage.pss > 0);
        drop(stdin);
        parent.wait().expect("it ends with its input");
    }

    #[test]
    fn a_process_that_is_gone_has_no_usage() {
        assert_eq!(of(u32::MAX), None);
    }
}
