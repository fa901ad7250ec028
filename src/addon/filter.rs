//! Which boxes to list, on its way in: a plain object, already checked by `lib/options/filter.ts`.

use std::collections::BTreeMap;

use boxlite_runtime::{BoxFilter, BoxState, BoxliteError, BoxliteResult};
use napi_derive::napi;

/// What a box must be to be listed.
#[napi(object, object_to_js = false)]
pub struct FilterInput {
    /// In one of these states; in any if there is none.
    pub states: Vec<String>,
    /// With all of these.
    pub labels: BTreeMap<String, String>,
    /// Of this name.
    pub name: Option<String>,
}

impl TryFrom<FilterInput> for BoxFilter {
    type Error = BoxliteError;

    fn try_from(input: FilterInput) -> BoxliteResult<Self> {
        let state = |name: String| {
            BoxState::ALL
                .into_iter()
                .find(|state| state.as_str() == name)
                .ok_or_else(|| BoxliteError::invalid_option("state", format!("unknown: {name:?}")))
        };
        Ok(Self {
            states: input.states.into_iter().map(state).collect::<BoxliteResult<_>>()?,
            labels: input.labels,
            name: input.name,
        })
    }
}
