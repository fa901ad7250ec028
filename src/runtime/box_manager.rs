//! `BoxManager`: the boxes of a home, by id and by name. Owned by the runtime, loaded from disk when it opens.
//!
//! One `RwLock` guards the table, for moments only; a box's own state has its own lock.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use crate::{BoxliteError, BoxliteResult, ErrorCode, LiteBox};

/// The table.
#[derive(Debug, Default)]
pub(crate) struct BoxManager {
    boxes: RwLock<BTreeMap<String, LiteBox>>,
}

impl BoxManager {
    /// Adds a box, unless its name is taken.
    pub(crate) fn add(&self, litebox: LiteBox) -> BoxliteResult<()> {
        let mut boxes = self.boxes.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = litebox.name()
            && let Some(other) = boxes.values().find(|other| other.name().as_ref() == Some(&name))
        {
            return Err(BoxliteError::new(
                ErrorCode::BoxNameTaken,
                format!("create box `{name}`: the name belongs to box `{}`", other.id()),
            )
            .hint("choose another name, remove that box, or `get` it by this name"));
        }
        boxes.insert(litebox.id().to_owned(), litebox);
        Ok(())
    }

    /// The box of this id, or else of this name.
    pub(crate) fn find(&self, id_or_name: &str) -> BoxliteResult<LiteBox> {
        let boxes = self.read();
        let by_name = || boxes.values().find(|litebox| litebox.name().as_deref() == Some(id_or_name));
        boxes.get(id_or_name).or_else(by_name).cloned().ok_or_else(|| {
            BoxliteError::new(
                ErrorCode::BoxNotFound,
                format!("find box {id_or_name:?}: no box has this id or name"),
            )
            .hint("`runtime.list()` tells which boxes there are")
        })
    }

    /// Every box, oldest first.
    pub(crate) fn all(&self) -> Vec<LiteBox> {
        let mut boxes: Vec<_> = self.read().values().cloned().collect();
        boxes.sort_by_cached_key(|litebox| (litebox.info().created_at_ms, litebox.id().to_owned()));
        boxes
    }

    /// Drops a box from the table.
    pub(crate) fn forget(&self, id: &str) {
        self.boxes.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Drops every box.
    pub(crate) fn clear(&self) {
        self.boxes.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, LiteBox>> {
        self.boxes.read().unwrap_or_else(PoisonError::into_inner)
    }
}
