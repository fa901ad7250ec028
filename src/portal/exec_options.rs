//! `ExecOptions`: how to run a command in a box. Filled in by whoever starts one, checked by the runtime, sent by `start`.

use serde::{Deserialize, Serialize};

/// How to run a command in a box.
///
/// ```
/// let mut options = boxlite_portal::ExecOptions::new("ls", ["-l"]);
/// options.cwd = Some("/tmp".to_owned());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecOptions {
    /// The command: a path, or a name that is looked up in `PATH` inside the box.
    pub command: String,
    /// Its arguments. Default: none.
    pub args: Vec<String>,
    /// Variables as (name, value), which replace those of the box. Default: none.
    pub env: Vec<(String, String)>,
    /// Names of variables of the box and its image that the process does not get. Default: none.
    pub unset: Vec<String>,
    /// The working directory. Default: the box's.
    pub cwd: Option<String>,
    /// `name`, `uid`, `name:group` or `uid:gid`. Default: the box's user.
    pub user: Option<String>,
    /// If present, the process gets a terminal of (columns, rows). Default: none.
    pub tty: Option<(u16, u16)>,
    /// Whether the process has an input that can be written to; otherwise it is `/dev/null`. Default: false.
    pub stdin: bool,
    /// Milliseconds until the process gets SIGTERM, and SIGKILL 2 s later. 0 means never. Default: 0.
    pub timeout_ms: u64,
    /// Whether it outlives its handle. It is never blocked because nobody reads; a reader begins with the last bytes that the
    /// box keeps. Default: false.
    pub detached: bool,
}

impl ExecOptions {
    /// The defaults for `command`.
    pub fn new<A: Into<String>>(command: impl Into<String>, args: impl IntoIterator<Item = A>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self { command: command.into(), args, ..Self::default() }
    }
}
