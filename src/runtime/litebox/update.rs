//! What of a box can be changed after it was made: its name and its labels, in any state. Part of [`LiteBox`].

use std::sync::Arc;

use super::{
    LiteBox, Transition,
    state::{Operation, Rule},
};
use crate::{BoxliteResult, Labels, blocking::blocking, labels, lock::Mode, options::check_name};

/// What to change; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BoxUpdate {
    /// The new name; `Some(None)` takes it away.
    pub name: Option<Option<String>>,
    /// All of its own labels.
    pub labels: Option<Labels>,
}

impl LiteBox {
    /// Changes name and labels. A start or stop under way is awaited; what runs goes on, and its host name changes with the
    /// next start.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; `BOX_NAME_TAKEN`; `BOX_REMOVED`.
    pub async fn update(&self, update: BoxUpdate) -> BoxliteResult<()> {
        if let Some(Some(name)) = &update.name {
            check_name(name)?;
        }
        if let Some(labels) = &update.labels {
            labels::check(labels)?;
        }
        let shared = &self.inner.shared;
        shared.check_open()?;
        // The box's lock first: it may be held for long, the home's must not be.
        let mut transition = Transition::begin(self).await?;
        if Operation::Update.rule(transition.state()) == Rule::Refuse {
            return Err(Operation::Update.refused(self.id(), transition.state()));
        }
        let taken = update
            .name
            .clone()
            .flatten()
            .filter(|name| transition.config.options.name.as_ref() != Some(name));
        let mut names = None;
        if let Some(name) = taken {
            names = Some(shared.structure(Mode::Exclusive).await?);
            let shared = Arc::clone(shared);
            blocking("look for a name", move || shared.check_free(&name)).await?;
        }
        transition.amend(|config| {
            if let Some(name) = update.name {
                config.options.name = name;
            }
            if let Some(labels) = update.labels {
                config.options.labels = labels;
            }
        })?;
        drop(names);
        drop(transition);
        self.refresh().map(drop)
    }
}
