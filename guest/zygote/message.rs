//! The messages between agent and zygote. Both are the same binary, so the encoding needs no versions.
//!
//! Written by `handle` and by the zygote's side (`serve` and the files below it); carried by `wire`.

use boxlite_proto::v1::{ContainerInitRequest, ExecRequest, StartError};

use crate::{Error, Kind};

/// Agent to zygote.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Request {
    /// What to do.
    #[prost(oneof = "Action", tags = "1, 2, 3, 4, 5")]
    pub action: Option<Action>,
}

/// What the agent requests.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Action {
    /// Become the container. Answered by `InitCloned`, then `Ready` or `Failed`.
    #[prost(message, tag = "1")]
    Contain(Box<ContainerInitRequest>),
    /// Start a process. Answered by `Spawned`, and later by `Exited` if it was. Carries the child's ends of its streams
    /// unless it has a tty: stdin if the request has one, then stdout and stderr.
    #[prost(message, tag = "2")]
    Spawn(Box<Spawn>),
    /// Signal a process group. Answered by `Signalled`.
    #[prost(message, tag = "3")]
    Signal(Signal),
    /// End every process of the container, then this one. Answered by `Stopped`.
    #[prost(message, tag = "4")]
    Stop(Stop),
    /// Serve executions without a container, on this machine itself. Answered by `Ready`. Tests only.
    #[prost(bool, tag = "5")]
    Uncontained(bool),
}

/// See [`Action::Spawn`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Spawn {
    /// Names the execution in every answer.
    #[prost(uint64, tag = "1")]
    pub serial: u64,
    /// The host's request with cwd, user and environment completed from the container's defaults.
    #[prost(message, optional, tag = "2")]
    pub request: Option<ExecRequest>,
    /// None of its processes may outlive the first.
    #[prost(bool, tag = "3")]
    pub alone: bool,
    /// It is the box's main process.
    #[prost(bool, tag = "4")]
    pub main: bool,
}

/// See [`Action::Signal`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Signal {
    /// Which execution.
    #[prost(uint64, tag = "1")]
    pub serial: u64,
    /// Signal number.
    #[prost(int32, tag = "2")]
    pub signal: i32,
    /// The execution leaves no process behind: SIGKILL is sent to all of its processes. After any other signal, the processes that
    /// outlive the first are killed when that exits.
    #[prost(bool, tag = "3")]
    pub all: bool,
}

/// See [`Action::Stop`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Stop {
    /// Milliseconds between SIGTERM and SIGKILL.
    #[prost(uint32, tag = "1")]
    pub grace_ms: u32,
    /// The execution that is sent another signal than SIGTERM; 0 is none.
    #[prost(uint64, tag = "2")]
    pub main: u64,
    /// That signal.
    #[prost(int32, tag = "3")]
    pub main_signal: i32,
}

/// Zygote to agent.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Reply {
    /// What happened.
    #[prost(oneof = "Event", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub event: Option<Event>,
}

/// What the zygote reports.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Event {
    /// The container's init was cloned. The value is its pid in the guest's initial pid namespace.
    #[prost(uint32, tag = "1")]
    InitCloned(u32),
    /// The container is set up.
    #[prost(bool, tag = "2")]
    Ready(bool),
    /// The container could not be set up.
    #[prost(message, tag = "3")]
    Failed(Failed),
    /// A child was forked and has executed the program, or could not. Carries the terminal's master, if any.
    #[prost(message, tag = "4")]
    Spawned(Spawned),
    /// An execution's process has ended.
    #[prost(message, tag = "5")]
    Exited(Exited),
    /// Whether a signal found its process.
    #[prost(message, tag = "6")]
    Signalled(Signalled),
    /// Every process has ended. The value is how many of them had to be killed.
    #[prost(uint32, tag = "7")]
    Stopped(u32),
}

/// See [`Event::Failed`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Failed {
    /// What was tried, and the cause.
    #[prost(string, tag = "1")]
    pub message: String,
    /// Whether the request itself is invalid.
    #[prost(bool, tag = "2")]
    pub invalid: bool,
}

impl Failed {
    /// Describes `error` for the agent.
    pub fn of(error: &Error) -> Self {
        Self { message: error.chain(), invalid: error.kind() == Kind::Invalid }
    }

    /// The error that it describes, with what was being done before it.
    pub(super) fn error(self, doing: &str) -> Error {
        Error::new(
            if self.invalid { Kind::Invalid } else { Kind::System },
            format!("{doing}{}", self.message),
        )
    }
}

/// See [`Event::Spawned`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Spawned {
    /// Which execution.
    #[prost(uint64, tag = "1")]
    pub serial: u64,
    /// Its pid in the container's pid namespace.
    #[prost(uint32, tag = "2")]
    pub pid: u32,
    /// Why it did not start.
    #[prost(message, optional, tag = "3")]
    pub error: Option<StartError>,
}

/// See [`Event::Exited`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Exited {
    /// Which execution.
    #[prost(uint64, tag = "1")]
    pub serial: u64,
    /// Exit code, where `signal` is 0.
    #[prost(int32, tag = "2")]
    pub code: i32,
    /// Signal that ended it, or 0.
    #[prost(int32, tag = "3")]
    pub signal: i32,
}

/// See [`Event::Signalled`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Signalled {
    /// False if it had ended before.
    #[prost(bool, tag = "1")]
    pub delivered: bool,
    /// The kernel's error, if it refused the signal for another reason.
    #[prost(string, tag = "2")]
    pub error: String,
}
