//! The engines that run a box, behind one trait.
//!
//! The shim makes a [`VmmFactory`], asks it for the [`Vmm`] that the spec names, lets it
//! [`create`](Vmm::create) a [`VmmInstance`] (every file and socket opened, nothing running yet) and
//! [`enter`](VmmInstance::enter)s it, which lasts as long as the machine does. [`probe`](probe()) says which engines
//! can run on this machine and what would help the others.
//!
//! `krun/` and `qemu/` hold one engine each; a file that both need has the same name in both: `engine` makes the
//! machine, `cmdline` its kernel's command line, `probe` says whether it can run here.

mod bounded_log;
mod clock;
mod cmdline;
mod console;
mod error;
mod factory;
mod host;
mod journal;
mod krun;
mod memory;
mod parts;
mod path;
mod probe;
mod qemu;
mod socket;
mod terminator;
mod vmm;

pub use error::{Error, Result};
pub use factory::VmmFactory;
pub use probe::{ProbeScope, probe};
pub use terminator::Terminator;
pub use vmm::{Vmm, VmmInstance};
