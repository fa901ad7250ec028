//! Becoming the program: PATH look-up and `execve`, and a sentence for each way it fails.
//!
//! Called by `spawn` in the forked child, as the last thing.

use std::{ffi::CString, path::Path};

use boxlite_proto::v1::{ExecRequest, StartError, start_error::Kind};
use nix::{errno::Errno, unistd::execve};

/// Becomes the program of `request` with `env`; returns only if it can't.
pub(super) fn execute(request: &ExecRequest, env: &[String]) -> StartError {
    let command = request.command.as_str();
    if command.is_empty() {
        return failure(Kind::Invalid, "start: the command is empty".into());
    }
    let argv = c_strings(std::iter::once(command).chain(request.args.iter().map(String::as_str)));
    let envp = c_strings(env.iter().map(String::as_str));
    let (Some(argv), Some(envp)) = (argv, envp) else {
        return failure(
            Kind::Invalid,
            format!("start {command:?}: an argument or variable holds a NUL byte"),
        );
    };
    let path = env.iter().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or_default();
    let errno = if command.contains('/') {
        become_file(command, &argv, &envp)
    } else {
        search(path, command, &argv, &envp)
    };
    explain(command, path, errno)
}

/// As execvp(3) does: the first candidate that the kernel accepts; a forbidden one is only remembered.
fn search(path: &str, command: &str, argv: &[CString], envp: &[CString]) -> Errno {
    let mut outcome = Errno::ENOENT;
    for candidate in candidates(path, command) {
        match become_file(&candidate, argv, envp) {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => outcome = Errno::EACCES,
            errno => return errno,
        }
    }
    outcome
}

/// Where `command` may be, in order. An empty entry of PATH is the working directory (execvp(3)).
fn candidates<'a>(path: &'a str, command: &'a str) -> impl Iterator<Item = String> + 'a {
    path.split(':')
        .map(move |dir| if dir.is_empty() { format!("./{command}") } else { format!("{dir}/{command}") })
}

fn become_file(file: &str, argv: &[CString], envp: &[CString]) -> Errno {
    let Ok(file) = CString::new(file) else { return Errno::EINVAL };
    match execve(&file, argv, envp) {
        Err(errno) => errno,
    }
}

fn c_strings<'a>(strings: impl Iterator<Item = &'a str>) -> Option<Vec<CString>> {
    strings.map(|text| CString::new(text).ok()).collect()
}

fn explain(command: &str, path: &str, errno: Errno) -> StartError {
    let named = command.contains('/');
    let (kind, reason) = match errno {
        Errno::ENOENT if named && Path::new(command).exists() => (
            Kind::CommandNotFound,
            "its interpreter (the #! line or the dynamic loader) is not in the image".to_owned(),
        ),
        Errno::ENOENT | Errno::ENOTDIR if named => (Kind::CommandNotFound, errno.desc().to_owned()),
        Errno::ENOENT => (Kind::CommandNotFound, format!("not found in PATH={path}")),
        Errno::EACCES if Path::new(command).is_dir() => {
            (Kind::PermissionDenied, "it is a directory".to_owned())
        }
        Errno::EACCES | Errno::EPERM => (Kind::PermissionDenied, errno.desc().to_owned()),
        Errno::ENOEXEC => (
            Kind::Invalid,
            "exec format error: no program for this machine, nor a script with a #! line".to_owned(),
        ),
        Errno::E2BIG => (Kind::Invalid, "arguments and environment are too long".to_owned()),
        Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE => {
            (Kind::ResourceExhausted, errno.desc().to_owned())
        }
        _ => (Kind::Other, errno.desc().to_owned()),
    };
    failure(kind, format!("start {command:?}: {reason}"))
}

pub(super) fn failure(kind: Kind, message: String) -> StartError {
    StartError { kind: kind.into(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_entries_in_order_and_empty_ones_are_here() {
        let found: Vec<_> = candidates("/bin::/usr/bin", "ls").collect();
        assert_eq!(found, ["/bin/ls", "./ls", "/usr/bin/ls"]);
    }

    #[test]
    fn failures_say_what_and_where() {
        let error = explain("nope", "/bin:/usr/bin", Errno::ENOENT);
        assert_eq!(error.kind(), Kind::CommandNotFound);
        assert_eq!(error.message, "start \"nope\": not found in PATH=/bin:/usr/bin");
        assert_eq!(explain("/tmp", "", Errno::EACCES).message, "start \"/tmp\": it is a directory");
        assert_eq!(explain("./x", "", Errno::ENOTDIR).kind(), Kind::CommandNotFound);
        assert_eq!(explain("x", "", Errno::E2BIG).kind(), Kind::Invalid);
    }

    #[test]
    fn a_nul_byte_is_refused_before_execve() {
        let request =
            ExecRequest { command: "/bin/true".into(), args: vec!["a\0b".into()], ..Default::default() };
        assert_eq!(execute(&request, &[]).kind(), Kind::Invalid);
    }
}
