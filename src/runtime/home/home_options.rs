//! `HomeOptions`: what the options of a runtime and the environment mean for a home, which is open with one choice at a time. Made by
//! the home registry, held by `OpenHome`.

use std::time::Duration;

use boxlite_error::{BoxliteError, BoxliteResult};
use boxlite_images::RegistryOptions;

use crate::{
    options::runtime_options::{EngineChoice, RuntimeOptions},
    shim::assets::Assets,
};

/// Which choice `BOXLITE_ENGINE` makes, where the options make none.
const ENGINE_VARIABLE: &str = "BOXLITE_ENGINE";

/// The options that all handles of an open home have in common.
#[derive(Debug, PartialEq)]
pub(crate) struct HomeOptions {
    pub(crate) choice: EngineChoice,
    pub(crate) assets: Assets,
    pub(super) registries: Vec<RegistryOptions>,
    pub(super) search: Vec<String>,
    /// Bytes; `None` derives it from the free space.
    pub(crate) image_quota: Option<u64>,
    /// `None` uses the engine's default.
    pub(crate) start_timeout: Option<Duration>,
}

impl HomeOptions {
    /// Takes them from those of a runtime.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the environment names no engine that there is.
    pub(crate) fn new(options: RuntimeOptions) -> BoxliteResult<Self> {
        Ok(Self {
            choice: options.engine.map_or_else(choice_of_environment, Ok)?,
            assets: Assets::new(options.parts),
            registries: options.registries,
            search: options.search_registries,
            image_quota: options.image_quota,
            start_timeout: options.start_timeout,
        })
    }
}

fn choice_of_environment() -> BoxliteResult<EngineChoice> {
    match std::env::var(ENGINE_VARIABLE).as_deref() {
        Err(_) | Ok("") => Ok(EngineChoice::Auto),
        Ok(name) => name.parse().map_err(|error| {
            BoxliteError::invalid(format!("read {ENGINE_VARIABLE}: {error}"))
                .hint("use `auto`, `krun` or `qemu`")
        }),
    }
}
