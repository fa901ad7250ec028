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
/// shim opens is a connection to the gRPC server; a stream that the guest opens is its ready notification.
pub const SERIAL_NAME: &str = "boxlite.portal";

/// The shim's ear for the guest's journal (vsock port, host side). The guest connects, writes [`JOURNAL`], and then
/// length-delimited `JournalRecord`s for as long as it lives. An empty record is its last: once all is in the file, the
/// shim closes the stream, and the guest may end the machine.
///
/// The first connection that greets is the journal for the machine's life; others are closed.
pub const JOURNAL_PORT: u32 = 2697;

/// The first line of a journal stream, which also tells it from a ready notification where both are yamux streams.
pub const JOURNAL: &[u8] = b"boxlite-journal/1\n";
