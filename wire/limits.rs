//! Sizes and times that host and guest agree on, and hold each other to.

use std::time::Duration;

/// Largest gRPC message that either side accepts, in bytes. Bulk data is cut into chunks of [`CHUNK`] long before.
pub const MESSAGE: usize = 1 << 20;

/// Largest gRPC message that the guest accepts of those that carry a command line or an environment: both of a container and
/// of its main process, each as long as Linux takes it ([`COMMAND_LINE`]).
pub const COMMAND_MESSAGE: usize = 8 << 20;

/// Most bytes of one argument or variable, its NUL byte included (Linux `MAX_ARG_STRLEN`).
pub const ARGUMENT: usize = 128 * 1024;

/// Most bytes of all arguments and variables of a program, each with its NUL byte and its pointer of eight bytes: a quarter of
/// the stack's limit of 8 MiB (execve(2), Linux `bprm_stack_limits`).
pub const COMMAND_LINE: usize = 2 << 20;

/// Most bytes of a working directory, its NUL byte included (Linux `PATH_MAX`).
pub const PATH: usize = 4096;

/// Most bytes of a user's and a group's name together.
pub const USER: usize = 1024;

/// Most bytes in one chunk of output or input.
pub const CHUNK: usize = 128 * 1024;

/// Largest HTTP/2 frame that either side accepts, in bytes: a chunk and its message around it travel in one.
pub const FRAME: u32 = 256 * 1024;

/// HTTP/2 flow-control window of one stream, in bytes: what may be under way before a slow reader stops the writer.
pub const STREAM_WINDOW: u32 = 512 * 1024;

/// HTTP/2 flow-control window of one connection, in bytes: far above what the streams' own windows admit, so that many
/// stalled readers never stop the others. Memory is bounded by [`STREAM_WINDOW`] for each live stream.
pub const CONNECTION_WINDOW: u32 = 1 << 30;

/// Most RPCs under way on one connection.
pub const CONCURRENT_STREAMS: u32 = 2048;

/// Bytes of each output stream that the guest keeps after sending them, for `Attach` with an offset to start from.
pub const REPLAY: usize = 1 << 20;

/// Bytes of an execution's input that the host keeps after sending them, to send them again over another connection: more than
/// may be under way to the box, which is [`STREAM_WINDOW`], as much as 1 MiB in HTTP/2's buffers, and a chunk on either side.
pub const FEED_REPLAY: usize = 2 << 20;

/// Deadline of an RPC that only changes state (everything but Attach, `SendInput` and Wait).
pub const UNARY_DEADLINE: Duration = Duration::from_secs(30);

/// How long an `Attach`, `SendInput` or `Wait` waits for the `Exec` of its execution id to arrive: the three are sent
/// together, and HTTP/2 promises no order between streams.
pub const EXEC_GRACE: Duration = Duration::from_secs(10);

/// How long the word that an execution has started may wait for its first output or its end, where the host asks for that.
pub const START_HOLD: Duration = Duration::from_millis(50);

/// Longest execution id, in bytes; ids are `[A-Za-z0-9_-]+`.
pub const EXECUTION_ID: usize = 64;

/// Most executions that a box remembers after their end; the oldest are forgotten first.
pub const FINISHED_EXECUTIONS: usize = 1024;

/// How long a box remembers an execution after its end, and the output that nobody has fetched.
pub const ENDED: Duration = Duration::from_mins(10);

/// Most bytes of unfetched output that a box keeps of all executions that have ended; the oldest are forgotten first.
pub const UNCLAIMED: usize = 16 << 20;

/// Most bytes of output that a box keeps of executions that have ended, after it was handed out: the connection may have been lost
/// with it. The oldest are forgotten first.
pub const DELIVERED: usize = 8 << 20;

/// Most executions that `List` tells of, so that its answer fits in a message.
pub const LIST: usize = 2048;

/// Most bytes of an execution's command and arguments that `List` tells; the rest is left out.
pub const LISTED: usize = 256;

/// Most bytes of a file or an archive in one message.
pub const FILE_CHUNK: usize = 128 * 1024;

/// Files that one box may hold open for the host.
pub const OPEN_FILES: usize = 4096;

/// Largest record of the journal, in bytes, its length prefix not counted.
pub const JOURNAL_RECORD: usize = 32 * 1024;

/// Most bytes of one journal file; there are two, the current one and the one before it.
pub const JOURNAL: u64 = 8 << 20;
