//! An open home: what its boxes share, which boxes there are, and what killed processes left.

pub(crate) mod box_manager;
pub(crate) mod metrics;
pub(crate) mod open_home;
pub(crate) mod registry;
pub(crate) mod sweep;
pub(crate) mod unreadable;
