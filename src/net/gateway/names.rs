//! What the gateway asks its name server. Implemented in `src/net/dns`; called for UDP by the datagrams and for TCP by the connections.

use std::{fmt, future::Future, pin::Pin};

/// The name server at port 53 of the gateway's addresses.
pub trait NameServer: Send + Sync + fmt::Debug {
    /// Answers one DNS message. Returns the whole answer, or `None` if the message deserves none. It ends by itself within a few seconds.
    /// Over UDP, the answer is no longer than the query's EDNS size allows (512 bytes without), and has the bit TC where it was cut.
    fn answer<'a>(&'a self, query: &'a [u8], over_tcp: bool) -> Answer<'a>;
}

/// The answer to come.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send + 'a>>;
