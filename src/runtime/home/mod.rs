//! An open home: what its boxes share, the names in use, and boxes whose files can't be read.

pub(crate) mod home_options;
pub(crate) mod metrics;
pub(crate) mod names;
pub(crate) mod open_home;
pub(crate) mod unreadable;
