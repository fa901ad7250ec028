//! The trait that every engine implements, and the machine that it makes. Called by the shim.

use boxlite_spec::{InstanceSpec, ShimExit};

use crate::{Error, Result, Terminator};

/// A virtual machine monitor.
pub trait Vmm {
    /// Prepares a machine: checks the spec, opens files, sockets and the console. Nothing runs yet, so a jail that is
    /// put on between this and [`VmmInstance::enter`] holds for all that the guest can reach.
    fn create(&mut self, spec: InstanceSpec) -> Result<VmmInstance>;
}

/// What an engine does once it is entered.
pub(crate) trait Machine {
    /// Runs the machine to its end. `Ok` means that the guest powered off or reset, which engines can't tell apart.
    fn enter(self: Box<Self>) -> Result<()>;
}

/// A machine that is ready to run.
pub struct VmmInstance {
    machine: Box<dyn Machine>,
    terminator: Terminator,
}

impl VmmInstance {
    pub(crate) fn new(machine: impl Machine + 'static, terminator: Terminator) -> Self {
        Self { machine: Box::new(machine), terminator }
    }

    /// The handle that ends the machine from another thread.
    pub fn terminator(&self) -> Terminator {
        self.terminator.clone()
    }

    /// Runs the machine on this thread until it ends; `Ok` means that the guest's agent switched it off by itself. Its
    /// sockets are removed and its console is complete when this returns.
    ///
    /// # Errors
    /// The engine's; [`ShimExit::Unannounced`] when the machine was reset and its agent had not said that it would be.
    pub fn enter(self) -> Result<()> {
        let ended = self.machine.enter();
        self.terminator.terminate();
        ended?;
        if self.terminator.announced_power_off() {
            return Ok(());
        }
        Err(Error::new(ShimExit::Unannounced, "run machine: it ended as told, or its guest died"))
    }
}
