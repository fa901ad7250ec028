//! What to change of a box, on its way in: a plain object, already checked by `lib/options/box.ts`.

use std::collections::BTreeMap;

use boxlite_runtime::BoxUpdate;
use napi_derive::napi;

/// What to change; what is not there stays.
#[napi(object, object_to_js = false)]
pub struct UpdateInput {
    /// Whether the name changes.
    pub rename: bool,
    /// The new one; none takes it away.
    pub name: Option<String>,
    /// All of its own labels.
    pub labels: Option<BTreeMap<String, String>>,
}

impl From<UpdateInput> for BoxUpdate {
    fn from(input: UpdateInput) -> Self {
        Self { name: input.rename.then_some(input.name), labels: input.labels }
    }
}
