//! `BoxManager`: the boxes of a home. The folder decides which boxes there are, since other processes make and remove boxes too; the
//! table here keeps the core of each box that this process has used, so that a box has one core, however often it is looked up.
//!
//! One `RwLock` guards the table, for moments only; a box's own state has its own lock.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, PoisonError, RwLock},
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};

use crate::{
    blocking::blocking,
    home::{open_home::OpenHome, unreadable},
    litebox::{core::BoxCore, lifecycle::transition_log, observation::info::BoxInfo},
    state::{
        config::BoxConfig,
        id,
        lock::{FileLock, Mode},
        record::BoxRecord,
    },
};

/// The boxes of one open home.
#[derive(Debug)]
pub(crate) struct BoxManager {
    pub(crate) home: Arc<OpenHome>,
    used: RwLock<BTreeMap<String, Arc<BoxCore>>>,
}

impl BoxManager {
    pub(crate) fn new(home: OpenHome) -> Self {
        Self { home: Arc::new(home), used: RwLock::default() }
    }

    /// Makes a box's folder. Of two callers who create one name, in whatever process, one fails before it wrote anything.
    ///
    /// # Errors
    /// `BOX_NAME_TAKEN`; `HOME_LOCKED`; `STORAGE_IO`.
    pub(crate) async fn create(self: &Arc<Self>, config: BoxConfig) -> BoxliteResult<Arc<BoxCore>> {
        // Without a name, the lock only keeps a sweep from taking the new folder for a leftover.
        let mode = if config.options.name.is_some() { Mode::Exclusive } else { Mode::Shared };
        let lock = self.home.lock(mode).await?;
        let this = Arc::clone(self);
        blocking("create a box", move || {
            let _lock = lock;
            if let Some(name) = &config.options.name {
                this.home.check_free(name)?;
            }
            let core = this.write(&config)?;
            transition_log::created(&this.home.events, &config);
            Ok(core)
        })
        .await
    }

    /// The config is written last: it is what makes the folder a box.
    fn write(&self, config: &BoxConfig) -> BoxliteResult<Arc<BoxCore>> {
        let paths = self.home.layout.of_box(&config.id);
        let write = || {
            paths.create()?;
            FileLock::make(&paths.lock())?;
            BoxRecord::created().save(&paths)?;
            config.save(&paths)?;
            // Or a loss of power could take the folder with all that was flushed in it.
            self.home.layout.flush_boxes()
        };
        // A box that can't be read again is not left behind either.
        let written = write().and_then(|()| self.by_id(&config.id)).inspect_err(|_| {
            let _ = fs::remove_file(paths.config());
            let _ = fs::remove_dir_all(paths.dir());
        });
        written?.ok_or_else(|| {
            BoxliteError::new(ErrorCode::Internal, format!("create box `{}`: it is gone", config.id))
        })
    }

    /// The box of this id, or else of this name. Blocking.
    ///
    /// # Errors
    /// `BOX_NOT_FOUND`; what is wrong with the box's files, if they can't be read.
    pub(crate) fn find(&self, id_or_name: &str) -> BoxliteResult<Arc<BoxCore>> {
        if id::is_one(id_or_name)
            && let Some(core) = self.by_id(id_or_name)?
        {
            return Ok(core);
        }
        let (boxes, unreadable) = self.all()?;
        let readable =
            boxes.into_iter().find(|core| core.config().options.name.as_deref() == Some(id_or_name));
        if let Some(core) = readable {
            return Ok(core);
        }
        let damaged = unreadable.iter().find(|damaged| damaged.name.as_deref() == Some(id_or_name));
        // Reading it again gives the error that says what is wrong with it.
        let found = damaged.map_or(Ok(None), |damaged| self.by_id(&damaged.id))?;
        found.ok_or_else(|| {
            let message = format!("find box {id_or_name:?}: no box has this id or name");
            BoxliteError::new(ErrorCode::BoxNotFound, message)
                .hint(text![Term::RuntimeList, " tells which boxes there are"])
        })
    }

    /// Every box that can be read, oldest first, and those that can't. Blocking.
    ///
    /// # Errors
    /// `STORAGE_IO` if the boxes can't be listed.
    pub(crate) fn all(&self) -> BoxliteResult<(Vec<Arc<BoxCore>>, Vec<BoxInfo>)> {
        let (mut boxes, mut unreadable) = (Vec::new(), Vec::new());
        for id in self.home.layout.box_ids()? {
            match self.by_id(&id) {
                Ok(found) => boxes.extend(found),
                // It stays, so that a person can examine it.
                Err(error) => unreadable.push(unreadable::info(&self.home.layout, &id, &error)),
            }
        }
        boxes.sort_by_cached_key(|core| (core.config().created_at_ms, core.id().to_owned()));
        Ok((boxes, unreadable))
    }

    /// The boxes that this process has used.
    pub(crate) fn used(&self) -> Vec<Arc<BoxCore>> {
        self.used.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Drops every core.
    pub(crate) fn clear(&self) {
        self.used.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The box in this folder as it is on disk now. Returns `None` if there is none. Blocking.
    fn by_id(&self, id: &str) -> BoxliteResult<Option<Arc<BoxCore>>> {
        let used = self.used.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some(core) = used {
            return Ok(core.refresh()?.then_some(core));
        }
        let Some(core) = BoxCore::open(&self.home, id)? else { return Ok(None) };
        let mut used = self.used.write().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, core| !core.is_removed());
        Ok(Some(Arc::clone(used.entry(id.to_owned()).or_insert_with(|| Arc::new(core)))))
    }

    /// Removes a box that can't be read, running or not.
    ///
    /// # Errors
    /// `BOX_NOT_FOUND`, and what [`unreadable::remove`] fails with.
    pub(crate) async fn remove_unreadable(self: &Arc<Self>, id_or_name: &str) -> BoxliteResult<()> {
        let (this, wanted) = (Arc::clone(self), id_or_name.to_owned());
        let found = blocking("find a box", move || {
            let mut unreadable = this.all()?.1.into_iter().filter(|found| id::is_one(&found.id));
            Ok(unreadable.find(|found| found.id == wanted || found.name.as_ref() == Some(&wanted)))
        })
        .await?;
        let Some(found) = found else {
            let message = format!("remove box {id_or_name:?}: it is gone");
            return Err(BoxliteError::new(ErrorCode::BoxNotFound, message));
        };
        unreadable::remove(&self.home.layout, &found.id).await
    }
}
