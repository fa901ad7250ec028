//! `Timings`: how long each stage of a box's last start took. Measured by the pipeline, shown by `LiteBox::info`.

use std::time::Duration;

use boxlite_error::Stage;
use serde::{Deserialize, Serialize};

/// The time that each stage of the last start took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timings {
    stages: Vec<(Stage, Duration)>,
}

impl Timings {
    pub(crate) fn record(&mut self, stage: Stage, took: Duration) {
        self.stages.push((stage, took));
    }

    /// The stages passed, in order.
    pub fn stages(&self) -> &[(Stage, Duration)] {
        &self.stages
    }

    /// The whole start.
    pub fn total(&self) -> Duration {
        self.stages.iter().map(|(_, took)| *took).sum()
    }
}
