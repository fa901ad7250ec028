//! The guest's journal on its way to the host's disk: a socket that takes it, and two files of bounded size.
//!
//! Made by both engines' `create` where the spec asks for it. The guest is hostile: what it sends is cut along its record
//! borders (`wire/frame.rs`) and never looked into, and what can't be cut ends the journal.

mod file;
mod intake;

pub(crate) use intake::Journal;
