//! What the gateway asks its name server. Implemented in `src/net/dns`; called for UDP by the datagrams and for TCP by the connections.

use std::{fmt, future::Future, net::IpAddr, pin::Pin};

use crate::decision::Refused;

/// The name server at port 53 of the gateway's addresses.
pub trait NameServer: Send + Sync + fmt::Debug {
    /// Answers one DNS message. Returns the whole answer, or `None` if the message deserves none. It ends by itself within a few seconds.
    /// Over UDP, the answer is no longer than the query's EDNS size allows (512 bytes without), and has the bit TC where it was cut.
    fn answer<'a>(&'a self, query: &'a [u8], over_tcp: bool) -> Answer<'a>;

    /// Looks up the addresses of a name (lower case, without a final dot) as the box would. One that can't knows none.
    fn look_up<'a>(&'a self, name: &'a str) -> Pin<Box<dyn Future<Output = Found> + Send + 'a>> {
        let _ = name;
        Box::pin(std::future::ready(Found::Unknown))
    }
}

/// What is known about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Its addresses that the box may reach.
    Addresses(Vec<IpAddr>),
    /// The policy refuses it, or all of its addresses.
    Refused(Refused),
    /// No server knows it, or none can be asked.
    Unknown,
}

/// The answer to come.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send + 'a>>;
