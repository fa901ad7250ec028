//! `BoxFilter`: which boxes a list is to have. Part of [`BoxliteRuntime`].

use boxlite_error::BoxliteResult;

use serde::{Deserialize, Serialize};

use crate::{
    litebox::{lifecycle::state::BoxState, observation::info::BoxInfo},
    options::labels::Labels,
    runtime::BoxliteRuntime,
};

/// What a box must be to be listed; what is empty asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BoxFilter {
    /// In one of these states.
    pub states: Vec<BoxState>,
    /// With all of these labels, its image's included.
    pub labels: Labels,
    /// Of this name.
    pub name: Option<String>,
}

impl BoxFilter {
    fn admits(&self, info: &BoxInfo) -> bool {
        (self.states.is_empty() || self.states.contains(&info.state))
            && self.name.as_ref().is_none_or(|name| info.name.as_ref() == Some(name))
            && self.labels.iter().all(|(name, value)| info.labels.get(name) == Some(value))
    }
}

impl BoxliteRuntime {
    /// The boxes that `filter` admits, oldest first.
    ///
    /// # Errors
    /// Fails as [`BoxliteRuntime::list`] does.
    pub async fn list_matching(&self, filter: &BoxFilter) -> BoxliteResult<Vec<BoxInfo>> {
        let mut boxes = self.list().await?;
        boxes.retain(|info| filter.admits(info));
        Ok(boxes)
    }
}
