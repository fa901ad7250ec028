//! `BoxManager`: the boxes of a home. The folder is the truth, since other processes make and remove boxes too; here are
//! the handles of those that this process has met, so that one box is one handle, however often it is asked for.
//!
//! One `RwLock` guards the table, for moments only; a box's own state has its own lock.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};

use crate::{
    blocking::blocking,
    home::{open_home::Shared, unreadable::UnreadableBox},
    litebox::{handle::LiteBox, lifecycle::transition_log},
    state::{
        id,
        lock::{FileLock, Mode},
        record::{BoxConfig, BoxRecord},
    },
};

/// The handles.
#[derive(Debug, Default)]
pub(crate) struct BoxManager {
    boxes: RwLock<BTreeMap<String, LiteBox>>,
}

impl BoxManager {
    /// Those that this process has met.
    pub(crate) fn known(&self) -> Vec<LiteBox> {
        self.read().values().cloned().collect()
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

impl Shared {
    /// Makes a box's folder. Of two creators of one name, in whatever process, one fails before it wrote anything.
    pub(crate) async fn make_box(self: &Arc<Self>, config: BoxConfig) -> BoxliteResult<LiteBox> {
        // Without a name there is nothing to agree on with others but that this is no leftover.
        let mode = if config.options.name.is_some() { Mode::Exclusive } else { Mode::Shared };
        let lock = self.structure(mode).await?;
        let shared = Arc::clone(self);
        blocking("create a box", move || {
            let _lock = lock;
            if let Some(name) = &config.options.name {
                shared.check_free(name)?;
            }
            let litebox = shared.write_box(&config)?;
            transition_log::made(&shared.events, &config);
            Ok(litebox)
        })
        .await
    }

    /// Refuses a name that a box has. Asked under the home's lock.
    pub(crate) fn check_free(self: &Arc<Self>, name: &str) -> BoxliteResult<()> {
        let (boxes, unreadable) = self.look_at_all()?;
        let readable = boxes.iter().find(|other| other.name().as_deref() == Some(name)).map(LiteBox::id);
        let other = unreadable.iter().find(|other| other.name() == Some(name)).map(UnreadableBox::id);
        match readable.or(other) {
            None => Ok(()),
            Some(id) => Err(BoxliteError::new(
                ErrorCode::BoxNameTaken,
                format!("name a box `{name}`: the name belongs to box `{id}`"),
            )
            .hint("choose another name, remove that box, or `get` it by this name")),
        }
    }

    /// The config comes last: it is what makes the folder a box.
    fn write_box(self: &Arc<Self>, config: &BoxConfig) -> BoxliteResult<LiteBox> {
        let paths = self.layout.of_box(&config.id);
        let write = || {
            paths.create()?;
            FileLock::make(&paths.lock())?;
            BoxRecord::created().save(&paths)?;
            config.save(&paths)?;
            // Or a loss of power could take the folder with all that was flushed in it.
            self.layout.flush_boxes()
        };
        // What can't be read again is not left behind either.
        let made = write().and_then(|()| self.box_of(&config.id)).inspect_err(|_| {
            let _ = fs::remove_file(paths.config());
            let _ = fs::remove_dir_all(paths.dir());
        });
        made?.ok_or_else(|| {
            BoxliteError::new(ErrorCode::Internal, format!("create box `{}`: it is gone", config.id))
        })
    }

    /// The box of this id, or else of this name.
    pub(crate) fn find_box(self: &Arc<Self>, id_or_name: &str) -> BoxliteResult<LiteBox> {
        if id::is_one(id_or_name)
            && let Some(litebox) = self.box_of(id_or_name)?
        {
            return Ok(litebox);
        }
        let (boxes, unreadable) = self.look_at_all()?;
        let found = boxes.into_iter().find(|litebox| litebox.name().as_deref() == Some(id_or_name));
        if found.is_none()
            && let Some(damaged) = unreadable.iter().find(|damaged| damaged.name() == Some(id_or_name))
        {
            // Says what is wrong with it.
            return self.box_of(damaged.id())?.ok_or_else(|| unknown(id_or_name));
        }
        found.ok_or_else(|| unknown(id_or_name))
    }

    /// Every box that can be read, oldest first.
    pub(crate) fn all_boxes(self: &Arc<Self>) -> BoxliteResult<Vec<LiteBox>> {
        Ok(self.look_at_all()?.0)
    }

    /// Every box that can be read, oldest first, and those that can't.
    pub(crate) fn look_at_all(self: &Arc<Self>) -> BoxliteResult<(Vec<LiteBox>, Vec<UnreadableBox>)> {
        let folder = self.layout.boxes();
        let ids =
            self.layout.box_folders().map_err(|error| BoxliteError::io("list boxes", &folder, error))?;
        let (mut boxes, mut unreadable) = (Vec::new(), Vec::new());
        for id in ids {
            match self.box_of(&id) {
                Ok(Some(litebox)) => boxes.push(litebox),
                Ok(None) => {}
                // Kept, for somebody to look at.
                Err(error) => unreadable.push(UnreadableBox::new(&self.layout, &id, &error)),
            }
        }
        boxes.sort_by_cached_key(|litebox| (litebox.created_at_ms(), litebox.id().to_owned()));
        Ok((boxes, unreadable))
    }

    /// The handle of the box in this folder, as it is on disk now; `None`: there is none.
    pub(crate) fn box_of(self: &Arc<Self>, id: &str) -> BoxliteResult<Option<LiteBox>> {
        let known = self.boxes.read().get(id).cloned();
        if let Some(litebox) = known {
            if litebox.refresh()? {
                return Ok(Some(litebox));
            }
            self.boxes.forget(id);
            return Ok(None);
        }
        let Some(litebox) = LiteBox::open(self, id)? else { return Ok(None) };
        let mut boxes = self.boxes.boxes.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(boxes.entry(id.to_owned()).or_insert(litebox).clone()))
    }
}

fn unknown(id_or_name: &str) -> BoxliteError {
    BoxliteError::new(ErrorCode::BoxNotFound, format!("find box {id_or_name:?}: no box has this id or name"))
        .hint(text![Term::RuntimeList, " tells which boxes there are"])
}
