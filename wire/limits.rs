//! Sizes and times on which host and guest agree. Each side enforces them on the other one.

use std::time::Duration;

/// Largest gRPC message that either side accepts, in bytes. Bulk data is sent in chunks of [`CHUNK`].
pub const MESSAGE: usize = 1 << 20;

/// Largest gRPC message with command lines and environments that the guest accepts, in bytes. It can hold those of a container and of
/// its main process, each as long as Linux accepts it ([`COMMAND_LINE`]).
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

/// Largest HTTP/2 frame that either side accepts, in bytes. It can hold a chunk with the message around it.
pub const FRAME: u32 = 256 * 1024;

/// HTTP/2 flow-control window of one stream, in bytes: how much can be in transit before a slow reader stops the writer.
pub const STREAM_WINDOW: u32 = 512 * 1024;

/// HTTP/2 flow-control window of one connection, in bytes: far more than the streams' own windows together, so that
/// stalled readers never stop other ones. Memory is bounded by [`STREAM_WINDOW`] for each open stream.
pub const CONNECTION_WINDOW: u32 = 1 << 30;

/// Most RPCs at one time on one connection.
pub const CONCURRENT_STREAMS: u32 = 2048;

/// Bytes of each output stream that the guest retains after sending them, for `Attach` from an earlier offset.
pub const REPLAY: usize = 1 << 20;

/// Bytes of an execution's input that the host retains after sending them, in order to send them again over another connection. This
/// is more than can be in transit: [`STREAM_WINDOW`], up to 1 MiB in HTTP/2's buffers, and a chunk on either side.
pub const STDIN_REPLAY: usize = 2 << 20;

/// Deadline of an RPC that only changes state (everything but Attach, `SendInput` and Wait).
pub const UNARY_DEADLINE: Duration = Duration::from_secs(30);

/// How long an `Attach`, `SendInput` or `Wait` waits for the `Exec` of its execution id to arrive: the three are sent
/// together, and HTTP/2 promises no order between streams.
pub const EXEC_GRACE: Duration = Duration::from_secs(10);

/// How long the message that an execution has started may be delayed until its first output or its exit, if the host requests that.
pub const START_DEFERRAL: Duration = Duration::from_millis(50);

/// Longest execution id, in bytes; ids are `[A-Za-z0-9_-]+`.
pub const EXECUTION_ID: usize = 64;

/// Most executions that a box retains after their exit. The oldest are dropped first.
pub const FINISHED_EXECUTIONS: usize = 1024;

/// How long a box retains an execution and its unread output after its exit.
pub const ENDED: Duration = Duration::from_mins(10);

/// Most bytes of unread output that a box retains of all executions that have exited. The oldest are dropped first.
pub const UNCLAIMED: usize = 16 << 20;

/// Most bytes of output that a box retains of executions that have exited, after it was sent: it may have been lost with its
/// connection. The oldest are dropped first.
pub const DELIVERED: usize = 8 << 20;

/// Most executions in an answer of `List`, so that it fits in a message.
pub const LIST: usize = 2048;

/// Most bytes of an execution's command and arguments in an answer of `List`. The rest is left out.
pub const LISTED: usize = 256;

/// Most bytes of a file or an archive in one message.
pub const FILE_CHUNK: usize = 128 * 1024;

/// Most files that one box holds open for the host.
pub const OPEN_FILES: usize = 4096;

/// Largest record of the journal, in bytes, without its length prefix.
pub const JOURNAL_RECORD: usize = 32 * 1024;

/// Most bytes of one journal file. There are two: the current one and the one before it.
pub const JOURNAL: u64 = 8 << 20;
