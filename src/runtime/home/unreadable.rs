//! `UnreadableBox`: a box whose `config.json` is damaged, or was written by a newer version. It is listed as failed, takes its name
//! as long as that can be read, keeps its image if its disk names one, can be removed by force, and touches no other box. Made by the
//! box manager; shown and removed by the runtime.

use std::fs;

use boxlite_disk::base_digest;
use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};

use crate::{
    blocking::blocking,
    home::names::name_in,
    litebox::{lifecycle::state::BoxState, observation::info::BoxInfo},
    options::labels::Labels,
    pipeline::timings::Timings,
    shim::process::ShimStatus,
    state::{
        layout::{BoxPaths, FilesystemLayout},
        lock::FileLock,
    },
};

/// What is known of such a box.
#[derive(Debug)]
pub(crate) struct UnreadableBox {
    id: String,
    name: Option<String>,
    /// When its folder was made or last changed.
    created_at_ms: u64,
    pid: Option<u32>,
    why: String,
}

impl UnreadableBox {
    /// Whether `error` says that a box can't be read.
    pub(crate) fn explains(error: &BoxliteError) -> bool {
        matches!(error.code(), ErrorCode::StorageCorrupt | ErrorCode::StorageIo | ErrorCode::HomeIncompatible)
    }

    /// The box in the folder of this id, which could not be read for `error`.
    pub(crate) fn new(layout: &FilesystemLayout, id: &str, error: &BoxliteError) -> Self {
        let paths = layout.of_box(id);
        let made = fs::metadata(paths.dir()).and_then(|meta| meta.created().or_else(|_| meta.modified()));
        let since = made.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let pid = match ShimStatus::of(&paths.shim_lock()) {
            Ok(ShimStatus::Alive(process)) => Some(process.identity.pid),
            _ => None,
        };
        Self {
            id: id.to_owned(),
            name: name_in(&paths.config()),
            created_at_ms: since.and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(0),
            pid,
            why: error.to_string(),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the entry of a list: state `failed`, and why.
    pub(crate) fn info(&self) -> BoxInfo {
        BoxInfo {
            id: self.id.clone(),
            name: self.name.clone(),
            labels: Labels::new(),
            image: String::new(),
            image_digest: None,
            state: BoxState::Failed,
            engine: None,
            accelerated: None,
            pid: self.pid,
            cpus: 0,
            memory_mib: 0,
            next_cpus: None,
            next_memory_mib: None,
            pids_limit: 0,
            max_lifetime_ms: 0,
            idle_timeout_ms: 0,
            ends_at_ms: 0,
            disk_size_mib: None,
            created_at_ms: self.created_at_ms,
            failure: Some(self.why.clone()),
            health: None,
            detached: false,
            auto_remove: false,
            timings: Timings::default(),
        }
    }
}

/// Returns the digest of the image that such a box's disk is based on, or `None` if the disk is missing or damaged too, so that
/// it needs no image.
///
/// # Errors
/// `STORAGE_IO` if its disk exists and can't be read, so that it may need any image.
pub(crate) fn image_of(paths: &BoxPaths) -> BoxliteResult<Option<String>> {
    Ok(base_digest(&paths.disk())?)
}

/// Removes the box `id`, which can't be read, whether or not it runs.
///
/// # Errors
/// `BOX_BUSY` if another process holds the box's lock; `BOX_STATE` if its shim can't be ended; `STORAGE_IO`.
pub(crate) async fn remove(layout: &FilesystemLayout, id: &str) -> BoxliteResult<()> {
    let paths = layout.of_box(id);
    FileLock::make(&paths.lock())?;
    let _lock = FileLock::of_box(&paths.lock(), id).await?;
    if let ShimStatus::Alive(process) = ShimStatus::settled(&paths.shim_lock()).await? {
        process.kill();
        let ended = process.ended().await;
        ended.map_err(|error| BoxliteError::io("watch the shim of box", paths.dir(), error))?;
        ShimStatus::settled(&paths.shim_lock()).await?;
    }
    blocking("remove a box", move || {
        paths.remove_sockets();
        let _ = fs::remove_file(paths.config());
        fs::remove_dir_all(paths.dir()).map_err(|error| BoxliteError::io("remove box", paths.dir(), error))
    })
    .await?;
    tracing::info!(box_id = id, "a box that could not be read was removed");
    Ok(())
}
