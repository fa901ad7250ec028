//! The life of one box, in order. Called by `main`; calls every other room.

use boxlite_spec::ShimReport;
use boxlite_vmm::VmmFactory;

use crate::{lifeline::Lifeline, lock::Lock, paper, process, report};

/// Runs a box from its paper to its end. `Ok` means that the guest powered off.
pub(crate) fn run() -> Result<(), ShimReport> {
    let spec = paper::read(std::io::stdin())?;
    process::settle(&spec.box_id)?;
    let lifeline = Lifeline::start(spec.attached, spec.deadline_ms)?;
    let _lock = Lock::take(&spec.lock)?;
    // The network gateway's thread will start here, before the machine that it serves.
    let instance = VmmFactory.vmm(spec.engine).create(spec).map_err(|error| report::from_vmm(&error))?;
    lifeline.hold(instance.terminator());
    // The jail will be sealed here: all that the machine needs is open, nothing of the guest has run.
    instance.enter().map_err(|error| report::from_vmm(&error))
}
