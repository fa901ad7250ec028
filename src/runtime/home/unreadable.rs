//! An unreadable box: one whose `config.json` is damaged, or was written by a newer version. It is listed as failed, takes its name
//! as long as that can be read, can be removed by force, and touches no other box. Listed by the box manager; removed by the runtime
//! and by a box's own handle.

use std::fs;

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};

use crate::{
    blocking::blocking,
    home::names::name_in,
    litebox::{lifecycle::state::BoxState, observation::info::BoxInfo},
    shim::process::ShimStatus,
    state::{clock::unix_ms, layout::FilesystemLayout, lock::FileLock},
};

/// Whether `error` says that a box can't be read.
pub(crate) fn is_reported_by(error: &BoxliteError) -> bool {
    matches!(error.code(), ErrorCode::StorageCorrupt | ErrorCode::StorageIo | ErrorCode::HomeIncompatible)
}

/// What is known of the box in the folder of this id, which could not be read for `error`: it is listed as failed. Blocking.
pub(crate) fn info(layout: &FilesystemLayout, id: &str, error: &BoxliteError) -> BoxInfo {
    let paths = layout.of_box(id);
    // When its folder was made or last changed.
    let made = fs::metadata(paths.dir()).and_then(|meta| meta.created().or_else(|_| meta.modified()));
    let pid = match ShimStatus::of(&paths.shim_lock()) {
        Ok(ShimStatus::Alive(process)) => Some(process.identity.pid),
        _ => None,
    };
    BoxInfo {
        id: id.to_owned(),
        name: name_in(&paths.config()),
        state: BoxState::Failed,
        pid,
        created_at_ms: made.map_or(0, unix_ms),
        failure: Some(error.to_string()),
        ..BoxInfo::default()
    }
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
