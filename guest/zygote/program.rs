//! Executing the program: PATH look-up and `execve`, and a message for each way in which it fails.
//!
//! Called by `spawn` in the child, as its last step.
#![allow(unsafe_code, reason = "execve(2) without the allocation of nix's wrapper")]

use std::{
    ffi::{CStr, CString, c_char},
    path::Path,
    ptr,
};

use boxlite_proto::v1::{ExecRequest, StartError, start_error::Kind};
use boxlite_wire::limits;
use nix::{errno::Errno, libc};

use super::interpreter;

/// Where a command is searched for a process that has no PATH, as confstr(3) has it for execvp(3).
const PATH: &str = "/bin:/usr/bin";

/// Most bytes of a failure's message.
const MESSAGE: usize = 64 * 1024;

/// A program with all that execve needs. Nothing is allocated while it is executed: the child shares its parent's memory, and can
/// free nothing afterwards.
pub(super) struct Program {
    command: String,
    path: String,
    /// The files to try, in order.
    files: Vec<CString>,
    argv: Strings,
    envp: Strings,
}

/// Strings as execve(2) takes them.
struct Strings {
    pointers: Vec<*const c_char>,
    /// What they point to.
    _strings: Vec<CString>,
}

impl Program {
    /// The program of `request`, to run with `env`.
    pub(super) fn new(request: &ExecRequest, env: &[String]) -> Result<Self, StartError> {
        let command = request.command.as_str();
        if command.is_empty() {
            return Err(failure(Kind::Invalid, "start: the command is empty".into()));
        }
        let path = env.iter().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or(PATH);
        let files = if command.contains('/') {
            c_strings(std::iter::once(command))
        } else {
            candidates(path, command).map(|file| CString::new(file).ok()).collect()
        };
        let argv = c_strings(std::iter::once(command).chain(request.args.iter().map(String::as_str)));
        let envp = c_strings(env.iter().map(String::as_str));
        let (Some(files), Some(argv), Some(envp)) = (files, argv, envp) else {
            let message = format!("start {command:?}: an argument or variable holds a NUL byte");
            return Err(failure(Kind::Invalid, message));
        };
        let (argv, envp) = (Strings::new(argv), Strings::new(envp));
        Ok(Self { command: command.to_owned(), path: path.to_owned(), files, argv, envp })
    }

    /// Executes the first file that the kernel accepts. Returns only if none is accepted. As in execvp(3), a file that may not be
    /// executed is skipped, and reported if no other is found.
    pub(super) fn execute(&self) -> StartError {
        let mut outcome = Errno::ENOENT;
        // A file that exists, though the kernel says ENOENT: its interpreter or loader does not.
        let mut lacking = None;
        for file in &self.files {
            if self.is_searched() && is_missing(file) {
                continue;
            }
            // SAFETY: both lists end with a null pointer, and what they point to lives in `self`.
            unsafe { libc::execve(file.as_ptr(), self.argv.pointers.as_ptr(), self.envp.pointers.as_ptr()) };
            outcome = match Errno::last() {
                Errno::ENOENT => {
                    lacking = lacking.or_else(|| (!is_missing(file)).then_some(file));
                    outcome
                }
                Errno::ENOTDIR if self.is_searched() => outcome,
                Errno::EACCES if self.is_searched() => Errno::EACCES,
                errno => {
                    outcome = errno;
                    break;
                }
            };
        }
        match lacking {
            Some(file) if outcome == Errno::ENOENT => {
                let what = interpreter::missing(file);
                failure(Kind::NoInterpreter, format!("start {:?}: {what}", self.command))
            }
            _ => explain(&self.command, &self.path, outcome),
        }
    }

    fn is_searched(&self) -> bool {
        !self.command.contains('/')
    }
}

/// Whether there is no such file. This is checked first because an execve(2) that fails has made an address space by then, and
/// most directories of PATH do not have the file. faccessat2(2) with `AT_EACCESS` uses the credentials of the process, while
/// access(2) makes new ones each time (`access_override_creds` of fs/open.c).
fn is_missing(file: &CStr) -> bool {
    let (mode, flags) = (libc::F_OK, libc::AT_EACCESS);
    // SAFETY: the string ends with a NUL byte.
    let answer = unsafe { libc::syscall(libc::SYS_faccessat2, libc::AT_FDCWD, file.as_ptr(), mode, flags) };
    matches!(Errno::result(answer), Err(Errno::ENOENT | Errno::ENOTDIR))
}

impl Strings {
    fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Self { pointers, _strings: strings }
    }
}

/// Where `command` may be, in order. An empty entry of PATH is the working directory (execvp(3)).
fn candidates<'a>(path: &'a str, command: &'a str) -> impl Iterator<Item = String> + 'a {
    path.split(':')
        .map(move |dir| if dir.is_empty() { format!("./{command}") } else { format!("{dir}/{command}") })
}

fn c_strings<'a>(strings: impl Iterator<Item = &'a str>) -> Option<Vec<CString>> {
    strings.map(|text| CString::new(text).ok()).collect()
}

fn explain(command: &str, path: &str, errno: Errno) -> StartError {
    let named = command.contains('/');
    let (kind, reason) = match errno {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG if named => {
            (Kind::CommandNotFound, errno.desc().to_owned())
        }
        Errno::ENOENT | Errno::ENAMETOOLONG => (Kind::CommandNotFound, format!("not found in PATH={path}")),
        Errno::EACCES if Path::new(command).is_dir() => {
            (Kind::PermissionDenied, "it is a directory".to_owned())
        }
        Errno::EACCES | Errno::EPERM => (Kind::PermissionDenied, errno.desc().to_owned()),
        Errno::ENOEXEC => (
            Kind::NotExecutable,
            "exec format error: no program for this machine, nor a script with a #! line".to_owned(),
        ),
        // The program's headers or its loader are broken (binfmt_elf.c), or somebody writes to it.
        Errno::EINVAL | Errno::ELIBBAD | Errno::EIO | Errno::EISDIR | Errno::ETXTBSY | Errno::ELOOP => {
            (Kind::NotExecutable, format!("exec format error: {}", errno.desc()))
        }
        Errno::E2BIG => (
            Kind::Invalid,
            format!(
                "arguments and environment, those of the box included, are too long: Linux takes {} bytes in one and {} in all, \
                 a NUL byte and a pointer counted for each",
                limits::ARGUMENT - 1,
                limits::COMMAND_LINE
            ),
        ),
        Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE => {
            (Kind::ResourceExhausted, errno.desc().to_owned())
        }
        _ => (Kind::Other, errno.desc().to_owned()),
    };
    failure(kind, format!("start {command:?}: {reason}"))
}

/// A failure with its message, which is cut if it quotes a long command.
pub(super) fn failure(kind: Kind, mut message: String) -> StartError {
    message.truncate(message.floor_char_boundary(MESSAGE));
    StartError { kind: kind.into(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_entries_in_order_and_empty_ones_are_the_working_directory() {
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
        let long = explain("x", "", Errno::E2BIG);
        assert_eq!(long.kind(), Kind::Invalid);
        assert!(long.message.contains("131071") && long.message.contains("2097152"), "{}", long.message);
        assert_eq!(explain("./x", "", Errno::ENOEXEC).kind(), Kind::NotExecutable);
    }

    #[test]
    fn a_nul_byte_is_refused_before_execve() {
        let request =
            ExecRequest { command: "/bin/true".into(), args: vec!["a\0b".into()], ..Default::default() };
        let refused = Program::new(&request, &[]).err().expect("refused");
        assert_eq!(refused.kind(), Kind::Invalid);
    }
}
