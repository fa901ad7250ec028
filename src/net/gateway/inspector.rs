//! What the gateway asks about the first bytes of a connection: whether the name in them (SNI, Host) is allowed, and whether the
//! connection is intercepted to put secrets into it. Implemented in `gateway/intercept`; asked by `tcp`.

use std::{fmt, future::Future, pin::Pin};

use boxlite_spec::network::secret::SecretSpec;
use tokio::{io::DuplexStream, net::TcpStream};

use crate::{
    backend::NetworkError,
    decision::{Allowed, Destination, Refused},
};

/// Most of a connection's first bytes that are held back for a verdict. An inspector that has seen as many says no more [`Verdict::More`].
pub const FIRST_BYTES_MAX: usize = 16 * 1024;

/// What is to be done with a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// More bytes are needed. Meanwhile nothing that the box sent leaves the gateway.
    More,
    /// It goes on as it is, and is not inspected again.
    Pass {
        /// The name that was read; the connection is closed when a later policy refuses it.
        name: Option<String>,
    },
    /// It is reset.
    Refuse {
        /// Why.
        refused: Refused,
        /// What the box gets before the end, such as an HTTP answer; may be empty.
        answer: Vec<u8>,
    },
    /// [`Inspector::intercept`] takes it over, with all bytes from the first.
    Intercept {
        /// The name that was read.
        name: String,
    },
}

/// Looks into connections. Every call but `intercept` is short and never waits.
pub trait Inspector: Send + Sync + fmt::Debug {
    /// Whether the first bytes of a connection have to be seen. One that is not wanted costs nothing.
    fn wants(&self, to: Destination, allowed: &Allowed) -> bool;

    /// Looks at the first bytes from the box, at least one. It is asked again with all of them when more have come.
    fn inspect(&self, to: Destination, allowed: &Allowed, first: &[u8]) -> Verdict;

    /// Serves a connection that was intercepted, until both ends are done.
    fn intercept(&self, connection: Intercepted) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// The certificate of the box's own authority in PEM, which the box has to trust; `None` if it has never had secrets.
    fn authority(&self) -> Option<String> {
        None
    }

    /// Replaces the secrets. With the first ones [`authority`](Self::authority) comes into being, which the box has to be told.
    ///
    /// # Errors
    /// If the host has no certificates of authorities that can be read.
    fn set_secrets(&self, secrets: &[SecretSpec]) -> Result<(), NetworkError>;
}

/// A connection that was intercepted.
#[derive(Debug)]
pub struct Intercepted {
    /// Where the box connected to.
    pub to: Destination,
    /// The name that was read from the first bytes.
    pub name: String,
    /// The box's end, from the first byte on.
    pub from_box: DuplexStream,
    /// The connection to the server, with nothing sent or received yet.
    pub upstream: TcpStream,
}
