//! What is on disk: the paths of a home, its locks, JSON files, and the records of each box.

pub(crate) mod clock;
pub(crate) mod config;
pub(crate) mod id;
pub(crate) mod journal;
pub(crate) mod json_file;
pub(crate) mod layout;
pub(crate) mod lock;
mod lock_holder;
pub(crate) mod modes;
pub(crate) mod record;
