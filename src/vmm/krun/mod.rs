//! libkrun, linked into this process, on `/dev/kvm`. Chosen by `VmmFactory`.

mod cmdline;
mod context;
mod dial;
mod engine;
mod exit;
mod log;
mod memory;
mod probe;

pub(crate) use engine::Krun;
pub(crate) use probe::probe;
