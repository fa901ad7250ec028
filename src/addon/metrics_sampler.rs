//! `NativeMetricsSampler`: samples of a box's figures. Made by `litebox.rs` for `lib/box.ts`, one for each series.

use std::sync::Arc;

use boxlite_runtime::MetricsSampler;
use napi_derive::napi;

use crate::{
    answer::{Answer, answer},
    plain::Plain,
};

/// A series of samples.
#[napi]
pub struct NativeMetricsSampler(Arc<MetricsSampler>);

impl From<MetricsSampler> for NativeMetricsSampler {
    fn from(sampler: MetricsSampler) -> Self {
        Self(Arc::new(sampler))
    }
}

#[napi]
impl NativeMetricsSampler {
    /// Resolves with the box's current figures.
    #[napi]
    pub fn sample(&self) -> Answer {
        answer(&self.0, async move |sampler| sampler.sample().await.and_then(Plain::of))
    }
}
