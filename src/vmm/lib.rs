//! The engines that run a box, behind one trait.
//!
//! The shim gets the [`Vmm`] that the spec names from a [`VmmFactory`], lets it [`create`](Vmm::create) a [`VmmInstance`] (every
//! file and socket is open, nothing runs yet) and [`enter`](VmmInstance::enter)s it, which returns when the machine has ended.
//! [`probe`](probe()) finds out which engines can run on this machine and what would help the others.
//!
//! `krun/` and `qemu/` hold one engine each; a file that both need has the same name in both: `engine` creates the machine,
//! `cmdline` writes its kernel's command line, `probe` checks whether the engine can run here. What both share lies beside them.

mod background;
mod bounded_log;
mod clock;
mod cmdline;
mod console;
mod error;
mod factory;
mod host;
mod huge_pages;
mod journal;
mod krun;
mod kvm;
mod network_device;
mod path;
mod probe;
mod qemu;
mod relay;
mod socket;
mod spec_check;
mod terminator;
mod vmm;

pub use error::{Error, Result};
pub use factory::VmmFactory;
pub use network_device::NetworkDevice;
pub use probe::{ProbeScope, probe};
pub use terminator::Terminator;
pub use vmm::{Vmm, VmmInstance};
