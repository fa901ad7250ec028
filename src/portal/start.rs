//! The start of an execution: its request, the answer that says why it failed, and the rule by which it happens once although
//! connections break. Called by `execution`, and by `container` for the main process.

use boxlite_error::{BoxliteError, ErrorCode, Term, Text, text};
use boxlite_proto::v1::{ExecRequest, StartError, TtySize, start_error::Kind};
use tonic::{Code, Status};

use crate::{exec_options::ExecOptions, rejoins::Rejoins, status::bounded};

/// The attempts to start one execution, over as many connections as it takes. The guest refuses the same id a second time, so
/// that nothing is started twice.
#[derive(Debug, Default)]
pub(crate) struct StartAttempts {
    rejoins: Rejoins,
    /// Whether the guest has the execution already and only its answer was lost.
    pub(crate) is_started: bool,
}

impl StartAttempts {
    /// Whether another attempt follows this failure.
    pub(crate) fn admit(&mut self, failure: &Status) -> bool {
        self.rejoins.admit(failure)
            || (failure.code() == Code::AlreadyExists && !std::mem::replace(&mut self.is_started, true))
    }
}

/// The request that starts `options` under `id`. With `defer_started`, the guest may send `started` together with the first
/// output or the end.
pub(crate) fn exec_request(id: &str, options: &ExecOptions, defer_started: bool) -> ExecRequest {
    ExecRequest {
        execution_id: id.to_owned(),
        command: options.command.clone(),
        args: options.args.clone(),
        env: options.env.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        cwd: options.cwd.clone().unwrap_or_default(),
        user: options.user.clone().unwrap_or_default(),
        tty: options.tty.map(|(cols, rows)| tty_size(cols, rows)),
        stdin: options.stdin,
        timeout_ms: options.timeout_ms,
        detached: options.detached,
        defer_started,
        unset: options.unset.clone(),
    }
}

pub(crate) fn tty_size(cols: u16, rows: u16) -> TtySize {
    TtySize { cols: cols.into(), rows: rows.into() }
}

/// Why `command` could not be started.
pub(crate) fn start_failed(what: &str, command: &str, error: &StartError) -> BoxliteError {
    let kind = error.kind();
    let code = match kind {
        Kind::CommandNotFound => ErrorCode::CommandNotFound,
        Kind::NotExecutable | Kind::NoInterpreter | Kind::PermissionDenied => ErrorCode::CommandNotExecutable,
        Kind::NoSuchDirectory => ErrorCode::ExecCwd,
        Kind::NoSuchUser => ErrorCode::ExecUser,
        Kind::Invalid => ErrorCode::InvalidArgument,
        Kind::ResourceExhausted | Kind::Other => ErrorCode::ExecFailed,
    };
    let error = BoxliteError::new(code, format!("{}: {}", bounded(what), bounded(&error.message)));
    error.maybe_hint(remedy(kind, command))
}

/// What the user can do about it, if anything is known.
fn remedy(kind: Kind, command: &str) -> Option<Text> {
    Some(match kind {
        Kind::CommandNotFound => text!(format!(
            "check that the image has {:?}; `PATH` inside the box decides, and no shell is involved",
            bounded(command)
        )),
        Kind::NotExecutable => text![
            "exec format error: a script without a `#!` line needs its interpreter named, as in ",
            Term::BoxExecScript,
            "; a program has to be one for this machine's architecture"
        ],
        Kind::NoInterpreter => {
            "correct the script's `#!` line, or take an image that has the interpreter or loader".into()
        }
        Kind::PermissionDenied => "check the file's mode and the `user` option".into(),
        Kind::NoSuchDirectory => "create the directory first, or change `cwd`".into(),
        Kind::NoSuchUser => "use a uid, or a name that the image's /etc/passwd has".into(),
        Kind::ResourceExhausted => "end some processes in the box, or give it more memory".into(),
        Kind::Invalid | Kind::Other => return None,
    })
}
