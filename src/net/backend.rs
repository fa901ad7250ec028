//! The trait of a network backend, and how a machine is connected to one. Called by the shim; implemented by each backend's folder.

use std::{fmt, io, os::fd::OwnedFd, pin::Pin, sync::Arc};

use boxlite_spec::network::{NetworkSpec, rule::Policy, secret::SecretSpec};
use nix::errno::Errno;

use crate::{metrics::Counters, refusals::Refusals};

/// Serves the network device of one box. It runs until it is stopped, and outlives the machine: engines do not reconnect.
pub trait NetworkBackend: Send + Sync {
    /// Starts to serve. Returns how the guest is to configure its link, and the machine's end of the link: a connected Unix stream
    /// socket that carries Ethernet frames, each with its length before it (four bytes, big-endian).
    ///
    /// # Errors
    /// What can't be set up: a program or library that is missing, a socket, a thread.
    fn start(&mut self, spec: &NetworkSpec, reports: Reports) -> Result<Attachment, NetworkError>;

    /// Replaces the policy. Connections that the new one refuses are closed.
    ///
    /// # Errors
    /// If this backend has no policy by name.
    fn set_policy(&self, policy: &Policy) -> Result<(), NetworkError>;

    /// Replaces the secrets.
    ///
    /// # Errors
    /// If this backend has no secrets.
    fn set_secrets(&self, secrets: &[SecretSpec]) -> Result<(), NetworkError>;

    /// The certificate of the box's own authority in PEM, which the box has to trust; `None` without secrets.
    fn authority(&self) -> Option<String> {
        None
    }

    /// Brings the counters up to date with what the backend counts by itself. A backend that adds to them at once has nothing to do.
    fn count(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    /// Stops. Every process, thread and socket of the backend is gone when this returns.
    fn stop(&mut self);
}

/// Where a backend reports what happens.
#[derive(Debug, Clone, Default)]
pub struct Reports {
    /// The counters of the box.
    pub counters: Arc<Counters>,
    /// What was refused.
    pub refusals: Arc<Refusals>,
}

/// A started backend's link.
#[derive(Debug)]
pub struct Attachment {
    /// The machine's end.
    pub socket: OwnedFd,
    /// Whether frames larger than the MTU may be sent and received on the link, so that the machine may leave segmentation and
    /// checksums to the backend.
    pub offload: bool,
}

/// What a backend failed at.
#[derive(Debug)]
pub struct NetworkError {
    message: String,
    source: Option<io::Error>,
    hint: Option<&'static str>,
}

impl NetworkError {
    /// An error that says what was tried, with the value.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None, hint: None }
    }

    /// An error with the system's own reason.
    pub fn io(message: impl Into<String>, source: io::Error) -> Self {
        Self { message: message.into(), source: Some(source), hint: None }
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn with_hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// Whether the host had no more of what it has a limit for: descriptors, threads, memory.
    pub fn is_shortage(&self) -> bool {
        let code = self.source.as_ref().and_then(io::Error::raw_os_error);
        code.is_some_and(|code| {
            matches!(Errno::from_raw(code), Errno::EMFILE | Errno::ENFILE | Errno::EAGAIN | Errno::ENOMEM)
        })
    }

    /// What the user can do about it, if anything is known.
    pub fn hint(&self) -> Option<&'static str> {
        self.hint
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{}: {source}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for NetworkError {}
