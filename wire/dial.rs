//! The dialer: a stream from the host that the agent connects to a port in the box. Written by whoever reaches into the box (the shim's
//! publisher, the runtime's `connect`), read by the guest's dialer.
//!
//! The host sends [`DIAL`](crate::port::DIAL) and a [`Request`] of [`REQUEST`] bytes. The guest answers with two bytes, big-endian: 0, or the errno of
//! the failed connection. After 0 the stream carries the connection's bytes; the end of one direction is passed on while the other
//! continues. For UDP, it carries datagrams, each with its length before it (two bytes, big-endian).

/// Most connections to ports of a box at one time. Further ones wait.
pub const DIALS: usize = 1024;

/// The length of a request, in bytes, without the first line.
pub const REQUEST: usize = 5;

/// Which port to connect to. The guest tries `127.0.0.1`, then `::1`, then the box's own address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Whether the port is UDP.
    pub udp: bool,
    /// The port.
    pub port: u16,
    /// How long a connection may take to be made, in milliseconds.
    pub timeout_ms: u16,
}

impl Request {
    /// Returns the request as it is sent.
    pub const fn encode(self) -> [u8; REQUEST] {
        let ([a, b], [c, d]) = (self.port.to_be_bytes(), self.timeout_ms.to_be_bytes());
        [self.udp as u8, a, b, c, d]
    }

    /// Reads a request. Returns `None` if the protocol is unknown or the port is 0.
    pub const fn decode(bytes: [u8; REQUEST]) -> Option<Self> {
        let [protocol, a, b, c, d] = bytes;
        let this = Self {
            udp: protocol == 1,
            port: u16::from_be_bytes([a, b]),
            timeout_ms: u16::from_be_bytes([c, d]),
        };
        if protocol > 1 || this.port == 0 { None } else { Some(this) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        for request in [
            Request { udp: false, port: 8080, timeout_ms: 5000 },
            Request { udp: true, port: 65535, timeout_ms: 0 },
        ] {
            assert_eq!(Request::decode(request.encode()), Some(request));
        }
        assert_eq!(Request::decode([0, 0, 0, 0, 1]), None);
        assert_eq!(Request::decode([2, 0, 80, 0, 1]), None);
    }
}
