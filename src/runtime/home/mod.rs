//! An open home as its boxes see it: what they all use, which names are taken, and boxes whose files can't be read.

pub(crate) mod metrics;
pub(crate) mod names;
pub(crate) mod open_home;
pub(crate) mod unreadable;
