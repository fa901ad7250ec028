//! `BoxliteError`: the one error of the public API. Every crate of the core makes it, and each face carries it to its users.

use std::{error::Error as StdError, fmt, io, path::Path, sync::Arc};

use crate::{
    code::ErrorCode,
    file_fault::FileFault,
    resource_limits,
    stage::Stage,
    text,
    text::{Term, Text},
};

/// The most causes that [`BoxliteError::causes`] gives.
const MOST_CAUSES: usize = 16;

/// The result of every public operation.
pub type BoxliteResult<T> = Result<T, BoxliteError>;

/// A failure: what was tried, with which value, at which stage, why it failed and what to do about it.
///
/// It is cheap to clone: callers that wait for one start all get the same failure.
#[derive(Debug, Clone)]
pub struct BoxliteError(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: ErrorCode,
    message: Text,
    hint: Option<Text>,
    stage: Option<Stage>,
    file: Option<FileFault>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl BoxliteError {
    /// A failure of kind `code`; `message` reads "what was tried `value`: what came of it". A long message is
    /// shortened here, before it is shown, logged or stored.
    pub fn new(code: ErrorCode, message: impl Into<Text>) -> Self {
        let message = message.into().shortened();
        Self(Arc::new(Inner { code, message, hint: None, stage: None, file: None, source: None }))
    }

    /// Makes the error of an argument that can't be used.
    pub fn invalid(message: impl Into<Text>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message)
    }

    /// Makes the error of an option that can't be used: `name` is its field in Rust.
    pub fn invalid_option(name: &'static str, why: impl Into<Text>) -> Self {
        Self::invalid(text!["option ", Term::Option(name), ": ", why.into()])
    }

    /// Makes the error of a failed file operation on `path`. A full disk has its own code.
    pub fn io(operation: &str, path: &Path, source: io::Error) -> Self {
        let full = matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let error = Self::new(
            if full { ErrorCode::StorageFull } else { ErrorCode::StorageIo },
            format!("{operation} `{}`", path.display()),
        )
        .caused_by(source);
        if full { error.hint("free some disk space, or choose a `home` on a larger disk") } else { error }
    }

    /// Makes the error of a file operation that was refused.
    pub fn of_file(fault: FileFault) -> Self {
        Self::new(ErrorCode::FileRefused, fault.to_string()).with(|inner| inner.file = Some(fault))
    }

    /// The error of a crate below: its text becomes this error's message, and it becomes the cause.
    pub fn carrying(code: ErrorCode, error: impl StdError + Send + Sync + 'static) -> Self {
        let text = error.to_string();
        Self::new(code, text).caused_by(error)
    }

    /// Adds what the user can do about it. An error of the host's limits keeps its own hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<Text>) -> Self {
        self.maybe_hint(Some(hint))
    }

    /// [`Self::hint`], where there is one.
    #[must_use]
    pub fn maybe_hint(self, hint: Option<impl Into<Text>>) -> Self {
        if self.code() == ErrorCode::HostLimit {
            return self;
        }
        self.with(|inner| inner.hint = hint.map(|hint| hint.into().shortened()).or(inner.hint.take()))
    }

    /// The same failure; with the code and the hint of a host that has reached its limits, if they caused what another process, such as
    /// the shim, says in `text`.
    #[must_use]
    pub fn caused_by_text(self, text: &str) -> Self {
        let limited = resource_limits::can_cause(self.code()) && resource_limits::caused_text(text);
        if limited { self.at_host_limit() } else { self }
    }

    /// The same failure with the code and the hint of a host that has reached its limits, whatever was tried.
    fn at_host_limit(self) -> Self {
        self.with(|inner| {
            inner.code = ErrorCode::HostLimit;
            inner.hint = Some(resource_limits::remedy());
        })
    }

    /// Names the stage of the pipeline that failed; the innermost one stays.
    #[must_use]
    pub fn at(self, stage: Stage) -> Self {
        self.with(|inner| _ = inner.stage.get_or_insert(stage))
    }

    /// Adds the cause. If the host's limits caused it, the error takes their code and hint.
    #[must_use]
    pub fn caused_by(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        let limited = resource_limits::can_cause(self.code()) && resource_limits::caused(&*source);
        let error = self.with(|inner| inner.source = Some(Arc::from(source)));
        if limited { error.at_host_limit() } else { error }
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Returns the file operation that was refused, if one was.
    pub fn file(&self) -> Option<&FileFault> {
        self.0.file.as_ref()
    }

    /// Returns the code that programs match on.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// Returns what was tried and why it failed; [`Display`](fmt::Display) formats it with Rust's names.
    pub fn message(&self) -> &Text {
        &self.0.message
    }

    /// Returns what the user can do about it, if anything is known.
    pub fn hint_text(&self) -> Option<&Text> {
        self.0.hint.as_ref()
    }

    /// Returns the stage of the start pipeline that failed, if one did.
    pub fn stage(&self) -> Option<Stage> {
        self.0.stage
    }

    /// Returns the texts of the causes, outermost first, each once, and 16 at most.
    pub fn causes(&self) -> Vec<Text> {
        let mut texts: Vec<Text> = Vec::new();
        let mut next = self.source();
        while let Some(error) = next.filter(|_| texts.len() < MOST_CAUSES) {
            let text = error
                .downcast_ref::<Self>()
                .map_or_else(|| Text::from(error.to_string()).shortened(), |error| error.message().clone());
            // The message already contains the text of a converted error, and some libraries repeat their source's.
            if text != self.0.message && texts.last() != Some(&text) {
                texts.push(text);
            }
            next = error.source();
        }
        texts
    }
}

impl fmt::Display for BoxliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.message.fmt(f)
    }
}

impl StdError for BoxliteError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_shortened_wherever_it_stands() {
        let long = "x".repeat(5 << 20);
        let error = BoxliteError::new(ErrorCode::RegistryFailed, format!("pull `a`: {long}"))
            .hint(long.clone())
            .caused_by(io::Error::other(long));
        let texts =
            [error.to_string(), error.hint_text().unwrap().to_string(), error.causes()[0].to_string()];
        assert!(texts.iter().all(|text| (1000..9000).contains(&text.len())), "{texts:?}");
        assert!(texts[0].starts_with("pull `a`: xxx"));
    }
}
