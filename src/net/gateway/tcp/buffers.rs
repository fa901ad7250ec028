//! The memory of connections. How much each gets depends on how many there are, so that one is fast and thousands are bounded; sockets are
//! used again, so that many connections in a row cost no memory.

use smoltcp::{
    iface::{SocketHandle, SocketSet},
    socket::tcp::{Socket, SocketBuffer},
};

/// Open connections up to which each buffer has so many bytes. The last bound is the most connections that any box may have.
const CLASSES: [(usize, usize); 4] =
    [(64, 256 * 1024), (512, 64 * 1024), (2048, 32 * 1024), (usize::MAX, 16 * 1024)];
/// How many sockets of the largest size are kept.
const KEPT: usize = 4;

/// A connection's socket.
#[derive(Debug)]
pub(super) struct Buffers {
    /// A set with one socket.
    pub(super) sockets: SocketSet<'static>,
    /// The one.
    pub(super) handle: SocketHandle,
    size: usize,
}

/// Sockets that wait to be used again.
#[derive(Debug, Default)]
pub(super) struct Pool(Vec<Buffers>);

impl Pool {
    /// Returns a socket for one more connection beside `open` others.
    pub(super) fn take(&mut self, open: usize) -> Buffers {
        let size = CLASSES.iter().find(|(most, _)| open < *most).map_or(16 * 1024, |(_, size)| *size);
        if size == CLASSES[0].1
            && let Some(buffers) = self.0.pop()
        {
            return buffers;
        }
        let mut socket = Socket::new(SocketBuffer::new(vec![0; size]), SocketBuffer::new(vec![0; size]));
        // The box's program decides itself when small segments wait, and a batch of segments gets one acknowledgement anyway.
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        Buffers { sockets, handle, size }
    }

    /// Takes a socket back.
    pub(super) fn give(&mut self, mut buffers: Buffers) {
        if buffers.size == CLASSES[0].1 && self.0.len() < KEPT {
            buffers.socket().abort();
            self.0.push(buffers);
        }
    }
}

impl Buffers {
    /// The socket.
    pub(super) fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_however_many_connections_there_are() {
        let mut pool = Pool::default();
        let total: usize = (0..8192).map(|open| 2 * pool.take(open).size).sum();
        assert!(total <= 400 << 20, "{total}");
    }
}
