//! What killed processes left in a home: folders that are no box yet or no more, machines half made, states that are no
//! longer true, boxes that were to be removed with their machine. Cleared when a home is opened; what a living process is
//! at is left to it.

use std::{fs, sync::Arc};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use futures::future::join_all;

use crate::{
    home::open_home::Shared,
    litebox::{handle::LiteBox, lifecycle::transition::Transition},
    state::{
        layout::LOCK,
        lock::{self, Mode},
    },
};

impl Shared {
    /// Clears what is left. What can't be cleared is told in the log: it must not keep a home closed.
    pub(crate) async fn sweep(self: &Arc<Self>) -> BoxliteResult<()> {
        self.sweep_folders().await?;
        let left = self.all_boxes()?.into_iter().filter(LiteBox::has_leftovers);
        join_all(left.map(|litebox| async move {
            match Transition::try_begin(&litebox).await.map(drop) {
                Err(error) if error.code() != ErrorCode::BoxRemoved => {
                    tracing::warn!(%error, box_id = litebox.id(), "a box could not be cleared");
                }
                _ => {}
            }
        }))
        .await;
        Ok(())
    }

    /// Folders without a config. Boxes are made under the home's lock, so none of these is being made now.
    async fn sweep_folders(self: &Arc<Self>) -> BoxliteResult<()> {
        let folder = self.layout.boxes();
        let list = || -> std::io::Result<Vec<String>> {
            let ids = self.layout.box_folders()?.into_iter();
            Ok(ids.filter(|id| !self.layout.of_box(id).config().exists()).collect())
        };
        for doomed in self.layout.doomed_folders().unwrap_or_default() {
            // Held: its remover is still at it.
            if !lock::is_held(&doomed.join(LOCK)).unwrap_or(true) {
                let _ = fs::remove_dir_all(doomed);
            }
        }
        let ids = |error| BoxliteError::io("list boxes", &folder, error);
        if list().map_err(ids)?.is_empty() {
            return Ok(());
        }
        let _lock = self.structure(Mode::Exclusive).await?;
        for id in list().map_err(ids)? {
            let paths = self.layout.of_box(&id);
            // Held: its remover is still at it.
            if paths.dir().is_dir() && !lock::is_held(&paths.lock())? {
                paths.remove_sockets();
                let _ = fs::remove_dir_all(paths.dir());
            }
        }
        Ok(())
    }
}
