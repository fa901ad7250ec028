//! Maps the kind of engine in a spec to its `Vmm`. Called by the shim; the runtime has chosen the kind.

use boxlite_spec::VmmKind;

use crate::{krun::Krun, qemu::Qemu, vmm::Vmm};

/// Creates engines by kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct VmmFactory;

impl VmmFactory {
    /// Returns the engine of `kind`. This checks nothing: an engine that can't run here fails in [`Vmm::create`].
    pub fn vmm(self, kind: VmmKind) -> Box<dyn Vmm> {
        match kind {
            VmmKind::Krun => Box::new(Krun),
            VmmKind::Qemu => Box::new(Qemu),
        }
    }
}
