//! The doctor's checks of the host: limits, memory, clock, temporary folder, system calls, and access to registries.
//! Called by `doctor`. Each check takes what it judges as a value, so that each can be shown a host that lacks it.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use nix::{
    sys::resource::{Resource, getrlimit},
    unistd::{AccessFlags, Uid, access},
};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::doctor::DoctorCheck;

/// A box takes about six descriptors of its host process; a program needs some of its own.
const FEWEST_FILES: u64 = 256;
/// A box is a shim and an engine, each with some threads, and threads count.
const FEWEST_PROCESSES: u64 = 256;
/// The smallest box is 128 MiB, and its engine needs some.
const LEAST_MEMORY_MIB: u64 = 256;
/// 1 January 2025: before this version was made. Certificates are not valid yet then.
const EARLIEST_SECONDS: u64 = 1_735_689_600;

/// Every check of the host.
pub(super) fn examine() -> Vec<DoctorCheck> {
    let soft = |resource| getrlimit(resource).map_or(u64::MAX, |(soft, _)| soft);
    // Root is exempt from this limit (setrlimit(2)).
    let processes = if Uid::effective().is_root() { u64::MAX } else { soft(Resource::RLIMIT_NPROC) };
    let mut checks = vec![
        open_files(soft(Resource::RLIMIT_NOFILE)),
        process_limit(processes),
        clock(SystemTime::now()),
        temporary_folder(&env::temp_dir()),
        system_calls(
            pidfd_open(getpid(), PidfdFlags::empty()).err().map(|errno| errno.to_string()).as_deref(),
        ),
    ];
    checks.extend(available_memory().map(memory));
    checks.extend(["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"].into_iter().filter_map(|name| {
        let lower = name.to_lowercase();
        let value = env::var(name).or_else(|_| env::var(&lower)).ok()?;
        proxy(name, &value)
    }));
    checks.extend(docker_config().map(|text| credential_helpers(&text, is_program)).unwrap_or_default());
    checks
}

fn open_files(limit: u64) -> DoctorCheck {
    let message = format!("this process may open {} files", amount(limit));
    let remedy = "raise the limit: `ulimit -n 4096`, or LimitNOFILE= of its service";
    DoctorCheck::judged(limit >= FEWEST_FILES, "open_files", message, remedy)
}

fn process_limit(limit: u64) -> DoctorCheck {
    let message = format!("this user may run {} processes and threads", amount(limit));
    let remedy = "raise the limit: `ulimit -u 4096`, or TasksMax= of its service";
    DoctorCheck::judged(limit >= FEWEST_PROCESSES, "processes", message, remedy)
}

fn amount(limit: u64) -> String {
    if limit == u64::MAX { "any number of".to_owned() } else { limit.to_string() }
}

fn clock(now: SystemTime) -> DoctorCheck {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let ok = seconds >= EARLIEST_SECONDS;
    let fault = if ok { "" } else { ", which is before this version was made" };
    let message = format!("it says {seconds} seconds since 1970{fault}");
    let remedy =
        "set the clock, as with NTP: registries can't be trusted by a wrong one, and boxes take it over";
    DoctorCheck::judged(ok, "clock", message, remedy)
}

fn temporary_folder(folder: &Path) -> DoctorCheck {
    let refused = access(folder, AccessFlags::W_OK | AccessFlags::X_OK).err();
    let fault = refused.map_or_else(String::new, |errno| format!(" can't be written: {errno}"));
    let message = format!("`{}`{fault}", folder.display());
    let remedy = "make it, or name another in TMPDIR";
    DoctorCheck::judged(refused.is_none(), "temporary_folder", message, remedy)
}

/// `refused`: what the kernel said to `pidfd_open(2)`, by which boxes of other processes are watched and ended.
fn system_calls(refused: Option<&str>) -> DoctorCheck {
    let answer = refused.map_or_else(|| "allowed".to_owned(), |why| format!("refused: {why}"));
    let message = format!("pidfd_open is {answer}");
    let remedy = "use Linux 5.3 or newer; in a container, a seccomp profile that allows it, as current Docker's and Podman's do";
    DoctorCheck::judged(refused.is_none(), "system_calls", message, remedy)
}

fn memory(available_mib: u64) -> DoctorCheck {
    let message = format!("{available_mib} MiB can be had");
    let remedy = "end other programs, or run boxes on a machine with more memory";
    DoctorCheck::judged(available_mib >= LEAST_MEMORY_MIB, "memory", message, remedy)
}

/// `MemAvailable` of proc(5), in MiB.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib >> 10)
}

/// Returns what is wrong with a proxy, or nothing.
fn proxy(variable: &str, value: &str) -> Option<DoctorCheck> {
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host).trim_end_matches('/');
    let port = host.rsplit_once(':').filter(|_| !host.ends_with(']')).map(|(_, port)| port);
    let known = ["http", "https", "socks5", "socks5h"].contains(&scheme);
    let good = known
        && !host.is_empty()
        && !host.contains(char::is_whitespace)
        && port.is_none_or(|port| port.parse::<u16>().is_ok());
    // The value may hold a password.
    let message = format!("{variable} is no proxy's address");
    let remedy = "write it as http://HOST:PORT, or unset it";
    (!value.is_empty() && !good).then(|| DoctorCheck::bad("proxy", message, remedy))
}

fn docker_config() -> Option<String> {
    let folder = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| env::home_dir().map(|home| home.join(".docker")))?;
    std::fs::read_to_string(folder.join("config.json")).ok()
}

/// A check for each credential helper that Docker's configuration names and that can't be run.
fn credential_helpers(config: &str, is_program: impl Fn(&str) -> bool) -> Vec<DoctorCheck> {
    let Ok(config) = serde_json::from_str::<serde_json::Value>(config) else {
        let remedy = "mend it, or remove it and log in again";
        return vec![DoctorCheck::bad("credential_helper", "Docker's config.json is no valid JSON", remedy)];
    };
    let per_registry = config["credHelpers"].as_object().into_iter().flat_map(|helpers| helpers.values());
    let names = per_registry.chain([&config["credsStore"]]).filter_map(|name| name.as_str());
    let names: BTreeSet<_> = names.filter(|name| !name.is_empty()).collect();
    let programs = names.into_iter().map(|name| format!("docker-credential-{name}"));
    let missing = programs.filter(|program| !is_program(program)).map(|program| {
        let message = format!("Docker's config.json names `{program}`, which is not in PATH");
        let remedy = "install it, or take it out of config.json and log in again";
        DoctorCheck::bad("credential_helper", message, remedy)
    });
    missing.collect()
}

fn is_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| access(&folder.join(name), AccessFlags::X_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_want_has_its_remedy() {
        for (check, code, remedy) in [
            (open_files(64), "open_files", "ulimit -n"),
            (process_limit(20), "processes", "ulimit -u"),
            (memory(100), "memory", "more memory"),
            (clock(UNIX_EPOCH + Duration::from_hours(24)), "clock", "NTP"),
            (temporary_folder(Path::new("/nowhere")), "temporary_folder", "TMPDIR"),
            (system_calls(Some("not allowed")), "system_calls", "seccomp profile"),
            (proxy("HTTPS_PROXY", "ftp://proxy:3128").unwrap(), "proxy", "http://HOST:PORT"),
            (proxy("HTTPS_PROXY", "http://proxy:port").unwrap(), "proxy", "http://HOST:PORT"),
        ] {
            assert_eq!((check.code.as_str(), check.ok), (code, false));
            assert!(check.remedy.is_some_and(|text| text.to_string().contains(remedy)), "{code}");
        }
    }

    #[test]
    fn plenty_is_well() {
        for check in [
            open_files(1024),
            process_limit(u64::MAX),
            memory(4096),
            clock(SystemTime::now()),
            system_calls(None),
        ] {
            assert!(check.ok, "{check:?}");
        }
        for value in
            ["", "proxy:3128", "http://proxy", "http://user:p%40ss@proxy:3128/", "socks5h://[::1]:1080"]
        {
            assert_eq!(proxy("HTTP_PROXY", value), None, "{value}");
        }
    }

    #[test]
    fn a_proxys_password_is_not_told() {
        let check = proxy("ALL_PROXY", "ftp://user:secret@proxy").unwrap();
        assert!(!format!("{check:?}").contains("secret"));
    }

    #[test]
    fn a_helper_that_is_missing_is_named_once() {
        let config = r#"{"credsStore": "gone", "credHelpers": {"a": "gone", "b": "here"}}"#;
        let checks = credential_helpers(config, |program| program == "docker-credential-here");
        assert_eq!(checks.len(), 1);
        assert!(checks[0].message.to_string().contains("`docker-credential-gone`"), "{checks:?}");
        assert!(credential_helpers("{}", |_| false).is_empty());
        assert_eq!(credential_helpers("{", |_| true).len(), 1);
    }
}
