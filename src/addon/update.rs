//! What to change of a box, on its way in: a plain object, already checked by `lib/options/box.ts`.

use std::collections::BTreeMap;

use boxlite_runtime::{BoxUpdate, BoxliteError, BoxliteResult};
use napi_derive::napi;

/// What to change. Missing fields stay as they are.
#[napi(object, object_to_js = false)]
pub struct UpdateInput {
    /// Whether the name changes.
    pub rename: bool,
    /// The new name; `None` removes it.
    pub name: Option<String>,
    /// All of its own labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Virtual CPUs.
    pub cpus: Option<u32>,
    /// Memory in MiB.
    pub memory_mib: Option<u32>,
    /// All of its own environment.
    pub env: Option<BTreeMap<String, String>>,
    /// Variables of the image that no execution has; set with `env`.
    pub unset: Vec<String>,
    /// Processes that may be in it at once.
    pub pids_limit: Option<u32>,
    /// Whether it is removed once its machine has ended.
    pub auto_remove: Option<bool>,
    /// Milliseconds; 0 is never.
    pub max_lifetime_ms: Option<i64>,
    /// Milliseconds; 0 is never.
    pub idle_timeout_ms: Option<i64>,
    /// Milliseconds since 1970; 0 is never.
    pub ends_at_ms: Option<i64>,
}

impl TryFrom<UpdateInput> for BoxUpdate {
    type Error = BoxliteError;

    fn try_from(input: UpdateInput) -> BoxliteResult<Self> {
        let cpus = input.cpus.map(|cpus| {
            u8::try_from(cpus).map_err(|_| BoxliteError::invalid_option("cpus", format!("too many: {cpus}")))
        });
        Ok(Self {
            name: input.rename.then_some(input.name),
            labels: input.labels,
            cpus: cpus.transpose()?,
            memory_mib: input.memory_mib,
            env: input.env.map(|env| env.into_iter().collect()),
            unset: input.unset,
            pids_limit: input.pids_limit,
            auto_remove: input.auto_remove,
            max_lifetime_ms: input.max_lifetime_ms.map(i64::unsigned_abs),
            idle_timeout_ms: input.idle_timeout_ms.map(i64::unsigned_abs),
            ends_at_ms: input.ends_at_ms.map(i64::unsigned_abs),
        })
    }
}
