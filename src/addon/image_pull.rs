//! `NativePull`: a pull under way. Wrapped by `lib/pull.ts`, calls `Pull`.

use boxlite_runtime::{BoxliteError, BoxliteResult, Platform, Progress, Pull, PullEvent, PullRequest};
use napi::{Env, Result, bindgen_prelude::Object};
use napi_derive::napi;

use crate::{
    image::{PulledImage, bytes},
    promise::promise_while_there,
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
    /// Resolves with the steps behind the position `after` (0: all), or `null` when the pull has ended and there are none.
    #[napi]
    pub fn next<'env>(&self, env: &'env Env, after: i64) -> Result<Object<'env>> {
        let pull = self.0.clone();
        promise_while_there(env, async move {
            let next = pull.next(u64::try_from(after).unwrap_or(0)).await;
            Ok(next.map(|(steps, position)| PullSteps {
                steps: steps.into_iter().filter_map(PullStep::of).collect(),
                position: i64::try_from(position).unwrap_or(i64::MAX),
            }))
        })
    }

    /// Resolves with the image once it is in the cache.
    #[napi]
    pub fn wait<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let pull = self.0.clone();
        promise_while_there(env, async move { pull.wait().await.map(PulledImage::from) })
    }

    /// Cancels the pull.
    #[napi]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// Some steps, and the position of the last.
#[napi(object, object_from_js = false)]
pub struct PullSteps {
    /// In their order.
    pub steps: Vec<PullStep>,
    /// The position to pass to the next call.
    pub position: i64,
}

/// One step; which fields are there depends on `kind`.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct PullStep {
    /// The `type` of `lib/pull.ts`.
    pub kind: &'static str,
    /// The full reference.
    pub reference: Option<String>,
    /// Of the manifest, or of the layer.
    pub digest: Option<String>,
    /// Of the image, or of the layer, or what has arrived.
    pub bytes: Option<i64>,
    /// How many.
    pub layers: Option<u32>,
    /// Whether the layer was here already.
    pub cached: Option<bool>,
}

impl PullStep {
    fn of(progress: Progress) -> Option<Self> {
        let step = |kind, digest: String| Self { kind, digest: Some(digest), ..Self::default() };
        Some(match progress {
            Progress::Assembling { digest } => step("assembling", digest),
            Progress::Done { digest } => step("done", digest),
            Progress::Image(event) => match event {
                PullEvent::Resolving { reference } => {
                    Self { kind: "resolving", reference: Some(reference), ..Self::default() }
                }
                PullEvent::Resolved { digest, layers, bytes: size } => Self {
                    bytes: Some(bytes(size)),
                    layers: Some(u32::try_from(layers).unwrap_or(u32::MAX)),
                    ..step("resolved", digest)
                },
                PullEvent::LayerStarted { digest, size } => {
                    Self { bytes: Some(bytes(size)), ..step("layerStart", digest) }
                }
                PullEvent::LayerProgress { digest, bytes: arrived } => {
                    Self { bytes: Some(bytes(arrived)), ..step("layerProgress", digest) }
                }
                PullEvent::LayerDone { digest, cached } => {
                    Self { cached: Some(cached), ..step("layerDone", digest) }
                }
                // The runtime sends its own `Done`.
                _ => return None,
            },
        })
    }
}
