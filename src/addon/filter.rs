//! Which boxes to list, on its way in: a plain object, already checked by `lib/options/filter.ts`.

use std::collections::BTreeMap;

use boxlite_runtime::{BoxFilter, BoxliteError, BoxliteResult};
use napi_derive::napi;

use crate::words::parsed;

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
        let states = input.states.iter().map(|name| parsed("state", name));
        Ok(Self { states: states.collect::<BoxliteResult<_>>()?, labels: input.labels, name: input.name })
    }
}
