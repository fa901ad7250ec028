//! Which engines can run on this machine, and what would help those that can't. Called by `boxlite-shim probe`.

use boxlite_spec::ProbeReport;

use crate::{host::ThisHost, krun, qemu};

/// How much to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeScope {
    /// Stop at the first engine that can run, in the order of preference. Starts no process where KVM works.
    First,
    /// Examine every engine, for a diagnosis. Starts QEMU twice, which takes some 50 ms.
    All,
}

/// Examines this machine.
pub fn probe(scope: ProbeScope) -> ProbeReport {
    let krun = krun::probe(&ThisHost);
    if scope == ProbeScope::First && krun.usable {
        return ProbeReport { engines: vec![krun] };
    }
    ProbeReport { engines: vec![krun, qemu::probe(&ThisHost, None)] }
}
