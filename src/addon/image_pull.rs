//! `NativePull`: a pull under way. Wrapped by `lib/pull.ts`, calls `Pull`.

use boxlite_runtime::{BoxliteError, BoxliteResult, Platform, Pull, PullRequest};
use napi_derive::napi;

use crate::{
    answer::{Answer, answer_while_there},
    plain::Plain,
    words::parsed,
};

/// What to pull, and how.
#[napi(object, object_to_js = false)]
pub struct PullInput {
    /// A registry reference, or a path on this machine.
    pub source: String,
    /// `missing`, `always` or `never`.
    pub policy: String,
    /// `os/architecture[/variant]`.
    pub platform: Option<String>,
}

impl TryFrom<PullInput> for PullRequest {
    type Error = BoxliteError;

    fn try_from(input: PullInput) -> BoxliteResult<Self> {
        let platform = input.platform.map(|text| {
            text.parse::<Platform>()
                .map_err(|error| BoxliteError::invalid_option("platform", format!("{error}")))
        });
        Ok(Self {
            source: input.source,
            policy: parsed("policy", &input.policy)?,
            platform: platform.transpose()?,
        })
    }
}

/// A pull under way.
#[napi]
pub struct NativePull(Pull);

impl From<Pull> for NativePull {
    fn from(pull: Pull) -> Self {
        Self(pull)
    }
}

#[napi]
impl NativePull {
    /// Resolves with the steps behind the position `after` (0: all) and the position of the last, or `null` when the pull has ended and there are none.
    #[napi]
    pub fn next(&self, after: i64) -> Answer {
        answer_while_there(&self.0, async move |pull| {
            pull.next(u64::try_from(after).unwrap_or(0)).await.map(Plain::of).transpose()
        })
    }

    /// Resolves with the image once it is in the cache.
    #[napi]
    pub fn wait(&self) -> Answer {
        answer_while_there(&self.0, async move |pull| pull.wait().await.and_then(Plain::of))
    }

    /// Cancels the pull.
    #[napi]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}
