//! Options on their way in, already checked by `lib/options/`: those of boxes that are not as the runtime has them, and those of
//! commands, which are napi objects since each crosses with every command.

use std::collections::BTreeMap;

use boxlite_runtime::{BoxOptions, BoxUpdate, BoxliteResult, CollectOptions, ExecOptions};
use napi_derive::napi;
use serde::Deserialize;

use crate::plain::Plain;

#[derive(Deserialize)]
struct BoxInput {
    #[serde(flatten)]
    options: BoxOptions,
    disk_size_gb: Option<f64>,
}

/// How to make a box.
pub(crate) fn box_options(given: &Plain) -> BoxliteResult<BoxOptions> {
    let BoxInput { mut options, disk_size_gb } = given.read()?;
    disk_size_gb.map_or(Ok(()), |gib| options.set_disk_size_gib(gib))?;
    Ok(options)
}

/// JSON has no `Some(None)`, so whether the name changes is a field of its own.
#[derive(Deserialize)]
struct UpdateInput {
    rename: bool,
    #[serde(flatten)]
    update: BoxUpdate,
}

/// What to change of a box.
pub(crate) fn box_update(given: &Plain) -> BoxliteResult<BoxUpdate> {
    let UpdateInput { rename, update } = given.read()?;
    Ok(BoxUpdate { name: rename.then(|| update.name.clone().flatten()), ..update })
}

/// What to run.
#[napi(object, object_to_js = false)]
pub struct ExecInput {
    /// The command.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Options other than the defaults.
    pub options: Option<CommandOptions>,
}

/// How to run a command.
#[napi(object, object_to_js = false)]
pub struct CommandOptions {
    /// Environment, over the box's.
    pub env: BTreeMap<String, String>,
    /// Variables to unset.
    pub unset: Vec<String>,
    /// Working directory.
    pub cwd: Option<String>,
    /// User.
    pub user: Option<String>,
    /// The terminal, if it gets one.
    pub tty: Option<TtyInput>,
    /// Whether standard input is written to.
    pub stdin: bool,
    /// Milliseconds until it is ended; 0 is never.
    pub timeout_ms: u32,
    /// Whether it outlives its handle.
    pub detached: bool,
}

/// How to collect what a command writes; what is left out is as `CollectOptions` has it.
#[napi(object, object_to_js = false)]
pub struct CollectInput {
    /// Whether an exit code other than 0 is an error.
    pub check: Option<bool>,
    /// Most bytes of each stream.
    pub max_buffer: Option<i64>,
    /// What messages call the command.
    pub title: Option<String>,
}

impl From<CollectInput> for CollectOptions {
    fn from(CollectInput { check, max_buffer, title }: CollectInput) -> Self {
        let mut options = Self { check: check.unwrap_or_default(), title, ..Self::default() };
        if let Some(max) = max_buffer {
            options.max_buffer = usize::try_from(max).unwrap_or(0);
        }
        options
    }
}

/// The size of a terminal.
#[napi(object, object_to_js = false)]
pub struct TtyInput {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

impl From<ExecInput> for ExecOptions {
    fn from(ExecInput { command, args, options }: ExecInput) -> Self {
        let Some(options) = options else { return Self::new(command, args) };
        let CommandOptions { env, unset, cwd, user, tty, stdin, timeout_ms, detached } = options;
        Self {
            command,
            args,
            env: env.into_iter().collect(),
            unset,
            cwd,
            user,
            tty: tty.map(|TtyInput { cols, rows }| (cols, rows)),
            stdin,
            timeout_ms: timeout_ms.into(),
            detached,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(json: &str) -> Plain {
        Plain::of(serde_json::from_str::<serde_json::Value>(json).unwrap()).unwrap()
    }

    #[test]
    fn a_name_stays_is_removed_or_changes() {
        let name = |json| box_update(&plain(json)).unwrap().name;
        assert_eq!(name(r#"{ "rename": false }"#), None);
        assert_eq!(name(r#"{ "rename": true }"#), Some(None));
        assert_eq!(name(r#"{ "rename": true, "name": "a", "cpus": 2 }"#), Some(Some("a".to_owned())));
    }

    #[test]
    fn what_is_left_out_of_a_box_is_the_default_and_what_does_not_fit_is_refused() {
        let options = box_options(&plain(r#"{ "image": "a", "disk_size_gb": 0.2 }"#)).unwrap();
        let BoxOptions { image, cpus, memory_mib, disk_size_mib, .. } = options;
        assert_eq!((image.as_str(), cpus, memory_mib, disk_size_mib), ("a", 1, 512, Some(256)));
        for json in [r#"{ "image": "a", "disk_size_gb": 0 }"#, r#"{ "image": "a", "cpus": 256 }"#] {
            assert_eq!(box_options(&plain(json)).unwrap_err().code().as_str(), "INVALID_ARGUMENT");
        }
    }
}
