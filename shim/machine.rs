//! Runs one box, step by step. Called by `main`; calls every other module.

use boxlite_spec::ShimReport;
use boxlite_vmm::VmmFactory;

use crate::{lifeline::Lifeline, lock::Lock, network::Network, process, report, spec};

/// Runs a box from its spec to its end. `Ok` means that the guest powered off.
pub(crate) fn run() -> Result<(), ShimReport> {
    let spec = spec::read(std::io::stdin())?;
    process::isolate(&spec.box_id)?;
    let lifeline = Lifeline::start(spec.attached, spec.deadline_ms)?;
    let _lock = Lock::take(&spec.lock)?;
    // It serves until the machine has ended: engines do not reconnect.
    let (_network, device) = Network::start(&spec)?;
    let instance =
        VmmFactory.vmm(spec.engine).create(spec, device).map_err(|error| report::from_vmm(&error))?;
    lifeline.set_machine(instance.terminator());
    // A jail has to be entered here: everything that the machine needs is open, and nothing of the guest has run.
    instance.enter().map_err(|error| report::from_vmm(&error))
}
