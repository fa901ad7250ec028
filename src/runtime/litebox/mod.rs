//! One box. `core` is what this process knows of it; `lifecycle` starts, changes, stops and removes it, `executions` run in it,
//! `files` are its files, `network` reaches its ports, and `observation` reads its state, logs and figures. `handle` is the public face of them all.

mod append;
pub(crate) mod core;
pub(crate) mod executions;
pub(crate) mod files;
pub(crate) mod handle;
pub(crate) mod lifecycle;
pub(crate) mod network;
pub(crate) mod observation;
