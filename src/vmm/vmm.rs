//! The trait that every engine implements, and the machine that it creates. Called by the shim.

use boxlite_spec::{InstanceSpec, ShimExit};

use crate::{
    error::{Error, Result},
    network_device::NetworkDevice,
    terminator::Terminator,
};

/// A virtual machine monitor.
pub trait Vmm {
    /// Prepares a machine: checks the spec, opens files, sockets and the console. Nothing of the guest runs yet, so a jail that
    /// is entered between this call and [`VmmInstance::enter`] confines everything that the guest can reach. `network` is the
    /// machine's network device, if it has one; the backend at its other end has been started.
    ///
    /// # Errors
    /// [`ShimExit::BadSpec`], [`ShimExit::BootFile`] or [`ShimExit::Disk`] if the spec names something unusable,
    /// [`ShimExit::Resource`] if a socket or file can't be created, [`ShimExit::Engine`] or [`ShimExit::EngineUnavailable`] if
    /// the engine fails.
    fn create(&mut self, spec: InstanceSpec, network: Option<NetworkDevice>) -> Result<VmmInstance>;
}

/// A machine that is ready to run.
pub struct VmmInstance {
    machine: Box<dyn FnOnce() -> Result<()>>,
    terminator: Terminator,
}

impl VmmInstance {
    /// `machine` runs the machine until it ends. It returns `Ok` if the guest powered off or reset, which engines can't distinguish.
    pub(crate) fn new(machine: impl FnOnce() -> Result<()> + 'static, terminator: Terminator) -> Self {
        Self { machine: Box::new(machine), terminator }
    }

    /// Returns a handle that ends the machine from another thread.
    pub fn terminator(&self) -> Terminator {
        self.terminator.clone()
    }

    /// Runs the machine on this thread until it ends. `Ok` means that the guest agent powered it off on its own initiative. The
    /// machine's sockets are removed and its console file is complete when this returns.
    ///
    /// # Errors
    /// Returns the engine's failure, or [`ShimExit::Unannounced`] if the machine ended without the agent's power-off marker.
    pub fn enter(self) -> Result<()> {
        let ended = (self.machine)();
        self.terminator.terminate();
        ended?;
        if self.terminator.announced_power_off() {
            return Ok(());
        }
        Err(Error::new(ShimExit::Unannounced, "run machine: it ended on request, or its guest crashed"))
    }
}
