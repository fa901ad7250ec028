//! Clears what killed processes left in a home: folders that are no box yet or no more, machines half made, states that are no
//! longer true, boxes that were to be removed with their machine. Done when a home is opened; boxes that a living process is changing
//! are left to it.

use std::{fs, path::Path};

use boxlite_error::{BoxliteResult, ErrorCode};
use futures::future::join_all;

use crate::{
    home::open_home::OpenHome,
    litebox::lifecycle::transition::Transition,
    runtime::box_manager::BoxManager,
    state::{
        layout::LOCK,
        lock::{self, Mode},
    },
};

impl BoxManager {
    /// Clears what is left. What can't be cleared is logged: it must not keep a home closed.
    ///
    /// # Errors
    /// `STORAGE_IO` if the boxes can't be listed; `HOME_LOCKED`.
    pub(crate) async fn sweep(&self) -> BoxliteResult<()> {
        sweep_folders(&self.home).await?;
        let left = self.all()?.0.into_iter().filter(|core| core.has_leftovers());
        join_all(left.map(|core| async move {
            match Transition::try_begin(&core).await.map(drop) {
                Err(error) if error.code() != ErrorCode::BoxRemoved => {
                    tracing::warn!(%error, box_id = core.id(), "a box could not be cleared");
                }
                _ => {}
            }
        }))
        .await;
        Ok(())
    }
}

/// Removes folders without a config. Boxes are made under the home's lock, so none of these is being made now.
async fn sweep_folders(home: &OpenHome) -> BoxliteResult<()> {
    let layout = &home.layout;
    let list = || -> BoxliteResult<Vec<String>> {
        let ids = layout.box_ids()?.into_iter();
        Ok(ids.filter(|id| !layout.of_box(id).config().exists()).collect())
    };
    // If its lock is held, its remover is still deleting it.
    let is_left = |folder: &Path| !lock::is_held(&folder.join(LOCK)).unwrap_or(true);
    for removed in layout.removed_folders().unwrap_or_default().into_iter().filter(|folder| is_left(folder)) {
        let _ = fs::remove_dir_all(removed);
    }
    if list()?.is_empty() {
        return Ok(());
    }
    let _lock = home.lock(Mode::Exclusive).await?;
    for paths in list()?.iter().map(|id| layout.of_box(id)).filter(|paths| is_left(paths.dir())) {
        paths.remove_sockets();
        let _ = fs::remove_dir_all(paths.dir());
    }
    Ok(())
}
