//! The ports between host and guest, and the first lines of the streams on them.

/// The guest's gRPC server (vsock port, guest side).
pub const GRPC: u32 = 2695;

/// Where the runtime listens for the guest's ready notification (vsock port, host side). The guest connects once its gRPC server
/// accepts connections, writes [`READY`], and closes.
pub const READY_PORT: u32 = 2696;

/// The ready notification.
pub const READY: &[u8] = b"boxlite-ready/1\n";

/// The name of the virtio-serial port that carries everything where there is no vsock (the qemu engine).
///
/// The shim holds the host's end. The port carries yamux, with the shim as client and the guest as server. A stream that the
/// shim opens is a connection to the gRPC server; a stream that the guest opens is identified by its first line.
pub const SERIAL_NAME: &str = "boxlite.portal";

/// The number of streams at which either end's yamux fails the whole connection. What opens streams keeps below it.
pub const STREAMS: usize = 2048;

/// What either end of yamux writes in one system call, in bytes: the largest frame with its header. The guest's driver asks the kernel for a
/// piece of memory of this size for each write to the serial port, and QEMU looks at the port for each.
pub const MUX_WRITE: usize = 16 << 10;

/// The largest body of a frame of yamux, whose header takes twelve bytes.
pub const MUX_BODY: usize = MUX_WRITE - 12;

/// What either end reads along with the header of a frame, in bytes: as much as one read of the serial port returns (Linux
/// `drivers/char/virtio_console.c`). The rest of a body is read where it belongs.
pub const MUX_READ: usize = 4 << 10;

/// Where the shim listens for the guest's journal (vsock port, host side). The guest connects, writes [`JOURNAL`], and then
/// length-delimited `JournalRecord`s as long as it runs. Its last record is empty: once everything is in the file, the shim
/// closes the stream, and the guest can end the machine.
///
/// The first connection that sends [`JOURNAL`] is the journal for the machine's life; others are closed.
pub const JOURNAL_PORT: u32 = 2697;

/// The first line of a journal stream. It distinguishes the stream from a ready notification where both are yamux streams.
pub const JOURNAL: &[u8] = b"boxlite-journal/1\n";

/// Where the shim listens for the guest's clock (vsock port, host side). The guest connects and writes [`CLOCK`]. For each
/// [`CLOCK_REQUEST`] it gets the host's time: nanoseconds since the Unix epoch, eight bytes, little-endian. It also gets the time
/// without a request after the host's clock was set or the host slept, and then sends a request, since only the answer to a
/// request has a known delay.
pub const CLOCK_PORT: u32 = 2698;

/// The first line of a clock stream.
pub const CLOCK: &[u8] = b"boxlite-clock/1\n";

/// A request for the time.
pub const CLOCK_REQUEST: u8 = b'?';

/// The guest's dialer (vsock port, guest side). A connection of the host carries yamux, with the host as client, as the serial port does;
/// on each stream the host writes [`DIAL`] and a `dial::Request`. It is not one connection for each dialled port: libkrun resets a
/// connection whose host end has ended only one direction, and a host end that is not read would block all of the machine's vsock.
pub const DIAL_PORT: u32 = 2699;

/// The first line of a stream to the dialer. It distinguishes the stream from a connection to the gRPC server where both are yamux
/// streams; those begin with HTTP/2's preface.
pub const DIAL: &[u8] = b"boxlite-dial/1\n";
