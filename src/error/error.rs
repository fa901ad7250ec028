//! `BoxliteError`: the one error of the public API. Made by every room of this crate, carried to JavaScript by the addon.

use std::{error::Error as StdError, fmt, io, path::Path, sync::Arc};

use crate::{
    code::ErrorCode,
    file_fault::FileFault,
    resource_limits,
    shorten::{self, shortened},
    stage::Stage,
};

/// Causes of causes that are told.
const MOST_CAUSES: usize = 16;

/// The result of every public operation.
pub type BoxliteResult<T> = Result<T, BoxliteError>;

/// A failure: what was tried, with which value, at which stage, why it failed and what to do about it.
///
/// Cheap to clone: callers that wait for one start all get the same failure.
#[derive(Debug, Clone)]
pub struct BoxliteError {
    code: ErrorCode,
    message: String,
    hint: Option<String>,
    stage: Option<Stage>,
    file: Option<Arc<FileFault>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl BoxliteError {
    /// A failure of kind `code`; `message` reads "what was tried `value`: what came of it". A message that somebody made long
    /// is shortened here, once for all that it is shown, logged and kept by.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: short(message.into()), hint: None, stage: None, file: None, source: None }
    }

    /// An option that can't be used.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message)
    }

    /// A failed file operation on `path`; a full disk has its own code.
    pub fn io(operation: &str, path: &Path, source: io::Error) -> Self {
        let full = matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let error = Self::new(
            if full { ErrorCode::StorageFull } else { ErrorCode::StorageIo },
            format!("{operation} `{}`", path.display()),
        )
        .caused_by(source);
        if full { error.hint("free some disk space, or choose a `home` on a larger disk") } else { error }
    }

    /// The error of a room below: its text becomes ours, its causes stay.
    pub fn carrying(code: ErrorCode, error: impl StdError + Send + Sync + 'static) -> Self {
        let text = error.to_string();
        Self::new(code, text).caused_by(error)
    }

    /// Says what the user can do about it. Where the host's limits are the reason, that is known already.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.maybe_hint(Some(hint))
    }

    /// [`Self::hint`], where there is one.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<impl Into<String>>) -> Self {
        if self.code != ErrorCode::HostLimit {
            self.hint = hint.map(|hint| short(hint.into())).or(self.hint);
        }
        self
    }

    /// The code and the remedy of a host that runs short, whatever was tried.
    #[must_use]
    pub fn for_want_of_resources(mut self) -> Self {
        self.code = ErrorCode::HostLimit;
        self.hint = Some(resource_limits::REMEDY.to_owned());
        self
    }

    /// Names the stage of the pipeline that failed; the innermost one stays.
    #[must_use]
    pub fn at(mut self, stage: Stage) -> Self {
        self.stage.get_or_insert(stage);
        self
    }

    /// Keeps the cause. Where that is the host's limits, they are what the error is about.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        let scarce = resource_limits::may_be_behind(self.code) && resource_limits::is_behind(&*source);
        self.source = Some(Arc::from(source));
        if scarce { self.for_want_of_resources() } else { self }
    }

    /// Says which file operation was refused, and why.
    #[must_use]
    pub fn with_file(mut self, fault: FileFault) -> Self {
        self.file = Some(Arc::new(fault));
        self
    }

    /// The file operation that was refused, if it was one.
    pub fn file(&self) -> Option<&FileFault> {
        self.file.as_deref()
    }

    /// The code that programs match on.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// What the user can do about it, if anything is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The stage of the start pipeline that failed, if it was one.
    pub fn stage(&self) -> Option<Stage> {
        self.stage
    }

    /// The texts of the causes, outermost first, each once, and not too many.
    pub fn causes(&self) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        let mut next = self.source();
        while let Some(error) = next.filter(|_| texts.len() < MOST_CAUSES) {
            let text = short(error.to_string());
            // A carried error's text is ours already, and some libraries repeat their source's.
            if text != self.message && texts.last() != Some(&text) {
                texts.push(text);
            }
            next = error.source();
        }
        texts
    }
}

fn short(text: String) -> String {
    if text.len() <= shorten::TEXT { text } else { shortened(&text, shorten::TEXT).into_owned() }
}

impl fmt::Display for BoxliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for BoxliteError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_says_at_length_is_shortened_in_every_text() {
        let long = "x".repeat(5 << 20);
        let error = BoxliteError::new(ErrorCode::RegistryFailed, format!("pull `a`: {long}"))
            .hint(long.clone())
            .caused_by(io::Error::other(long));
        let texts = [error.to_string(), error.hint_text().unwrap().to_owned(), error.causes()[0].clone()];
        assert!(texts.iter().all(|text| (1000..9000).contains(&text.len())), "{texts:?}");
        assert!(texts[0].starts_with("pull `a`: xxx"));
    }
}
