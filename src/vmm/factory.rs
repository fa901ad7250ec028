//! Chooses the `Vmm` for a spec. Called by the shim; the choice itself was made by the runtime.

use boxlite_spec::VmmKind;

use crate::{Vmm, krun::Krun, qemu::Qemu};

/// Makes engines by kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct VmmFactory;

impl VmmFactory {
    /// The engine of `kind`. Cheap: whether it can run here shows when it creates a machine.
    pub fn vmm(self, kind: VmmKind) -> Box<dyn Vmm> {
        match kind {
            VmmKind::Krun => Box::new(Krun),
            VmmKind::Qemu => Box::new(Qemu),
        }
    }
}
