//! Where host and guest meet.

/// The guest's gRPC server (vsock port, guest side).
pub const GRPC: u32 = 2695;

/// The host's ear for the guest's ready notification (vsock port, host side). The guest connects once its gRPC server
/// accepts connections, writes [`READY`], and closes.
pub const READY_PORT: u32 = 2696;

/// The ready notification.
pub const READY: &[u8] = b"boxlite-ready/1\n";

/// Name of the virtio-serial port that carries everything where there is no vsock (the qemu engine).
///
/// The host end is the shim. Over the port runs yamux: the shim is its client, the guest its server. A stream that the
/// shim opens is a connection to the gRPC server; a stream that the guest opens is told by its first line.
pub const SERIAL_NAME: &str = "boxlite.portal";

/// The shim's ear for the guest's journal (vsock port, host side). The guest connects, writes [`JOURNAL`], and then
/// length-delimited `JournalRecord`s for as long as it lives. An empty record is its last: once all is in the file, the
/// shim closes the stream, and the guest may end the machine.
///
/// The first connection that greets is the journal for the machine's life; others are closed.
pub const JOURNAL_PORT: u32 = 2697;

/// The first line of a journal stream, which also tells it from a ready notification where both are yamux streams.
pub const JOURNAL: &[u8] = b"boxlite-journal/1\n";

/// The shim's ear for a guest that wants to know the time (vsock port, host side). The guest connects and writes [`CLOCK`]. For
/// each [`CLOCK_ASK`] it gets the host's time: nanoseconds since the Unix epoch, eight bytes, the lowest first. It gets one unasked
/// when the host's clock was set or the host slept, and asks then, so that it knows how long the answer took.
pub const CLOCK_PORT: u32 = 2698;

/// The first line of a clock stream.
pub const CLOCK: &[u8] = b"boxlite-clock/1\n";

/// Asks for the time.
pub const CLOCK_ASK: u8 = b'?';
