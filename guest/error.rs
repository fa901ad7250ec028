//! The error of this crate: what was tried, on what, and the kernel's error.
//!
//! Created everywhere below the services. `services::status` converts it to a gRPC status, the zygote to a text.

use std::{error::Error as _, fmt::Write as _, io};

use nix::errno::Errno;

/// A small, stable classification that callers may match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The request itself is wrong. A retry can't help.
    Invalid,
    /// The call is not possible in this state (initialised twice, container missing).
    State,
    /// Something named does not exist.
    NotFound,
    /// Something named exists already.
    Exists,
    /// A limit of the guest was reached.
    Exhausted,
    /// An offset at which there is no data.
    OutOfRange,
    /// Output that is not kept any more.
    OutputGone,
    /// The input of an execution that takes none, or takes none any more.
    InputClosed,
    /// The kernel refused.
    System,
}

/// An operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("{context}")]
pub struct Error {
    kind: Kind,
    context: String,
    #[source]
    source: Option<io::Error>,
}

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error without a cause below it. `context` reads "operation value: what".
    pub fn new(kind: Kind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// The classification.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The whole chain in one line, for the console and for gRPC: "mount proc on /proc: Operation not permitted".
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            // Writing to a String can't fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        text
    }
}

/// Adds what was being done to an error of the kernel.
pub trait Context<T> {
    /// Wraps the error; `context` is only built on failure.
    ///
    /// # Errors
    /// Returns the wrapped error of `self`.
    fn context<S: Into<String>>(self, context: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn context<S: Into<String>>(self, context: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| {
            let error = error.into();
            let kind = match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE | Errno::ENOSPC) => {
                    Kind::Exhausted
                }
                _ => Kind::System,
            };
            Error { kind, context: context().into(), source: Some(error) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_names_operation_and_cause_once() {
        let failed: nix::Result<()> = Err(Errno::ENOENT);
        let error = failed.context(|| "open /nowhere").expect_err("it failed");
        assert_eq!(error.to_string(), "open /nowhere");
        assert!(error.chain().starts_with("open /nowhere: "), "{}", error.chain());
        assert_eq!(error.chain().matches("/nowhere").count(), 1);
    }

    #[test]
    fn a_full_process_table_is_exhaustion() {
        let failed: nix::Result<()> = Err(Errno::EAGAIN);
        assert_eq!(failed.context(|| "fork").expect_err("it failed").kind(), Kind::Exhausted);
    }
}
