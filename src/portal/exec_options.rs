//! `ExecOptions`: how to run a command in a box. Filled in by whoever starts one, checked by `command_check`, sent by the portal.

/// How to run a command in a box.
#[derive(Debug, Clone)]
pub struct ExecOptions {
    /// The command: a path, or a name looked up in `PATH` inside the box.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Over the box's environment, by key.
    pub env: Vec<(String, String)>,
    /// Variables of the box and its image that the process is not to have.
    pub unset: Vec<String>,
    /// Default: the box's working directory.
    pub cwd: Option<String>,
    /// Default: the box's user.
    pub user: Option<String>,
    /// Present: the process gets a terminal of (columns, rows).
    pub tty: Option<(u16, u16)>,
    /// Whether the process reads from us; otherwise its stdin is `/dev/null`.
    pub stdin: bool,
    /// Milliseconds until SIGTERM, then SIGKILL 2 s later. 0 means never.
    pub timeout_ms: u64,
    /// Whether it outlives its handle: it is never held back for want of a reader, who begins with the last bytes.
    pub detached: bool,
    /// Whether the word that it has started may wait up to `limits::START_HOLD` for its first output or its end: for callers
    /// that only want the outcome.
    pub hold_start: bool,
}

impl ExecOptions {
    /// The defaults for `command`.
    pub fn new<A: Into<String>>(command: impl Into<String>, args: impl IntoIterator<Item = A>) -> Self {
        Self {
            command: command.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            unset: Vec::new(),
            cwd: None,
            user: None,
            tty: None,
            stdin: false,
            timeout_ms: 0,
            detached: false,
            hold_start: false,
        }
    }
}
