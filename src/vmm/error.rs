//! What can go wrong between a spec and a running machine. Returned everywhere in this crate; the shim converts it into a
//! `ShimReport`, and the runtime converts that into a `BoxliteError`.

use std::{error, fmt};

use boxlite_spec::ShimExit;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, with the exit status with which it ends the shim.
#[derive(Debug, thiserror::Error)]
#[error("{context}")]
pub struct Error {
    kind: ShimExit,
    context: String,
    hint: Option<String>,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ShimExit, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), hint: None, source: None }
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the cause, which becomes the shim's exit status.
    pub fn kind(&self) -> ShimExit {
        self.kind
    }

    /// Returns what the user can do about it, if anything is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns the message and the whole chain of causes as one sentence.
    pub fn sentence(&self) -> String {
        let mut sentence = self.to_string();
        let mut cause = error::Error::source(self);
        while let Some(error) = cause {
            sentence = format!("{sentence}: {error}");
            cause = error.source();
        }
        sentence
    }
}

/// Adds what was tried to an error of another crate.
pub(crate) trait Context<T> {
    /// Wraps the error as `kind`, with `operation value` as its text.
    fn context(self, kind: ShimExit, operation: &str, value: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Box<dyn error::Error + Send + Sync>>> Context<T> for Result<T, E> {
    fn context(self, kind: ShimExit, operation: &str, value: impl fmt::Display) -> Result<T> {
        self.map_err(|source| Error::new(kind, format!("{operation} {value}")).with_source(source))
    }
}
