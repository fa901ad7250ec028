//! Whether libkrun can run a box on this machine. Called by the crate's `probe`.

use boxlite_spec::{EngineProbe, VmmKind};

use crate::{host::Host, kvm};

/// Checks `host`: libkrun is linked in and needs nothing but KVM.
pub(crate) fn probe(host: &impl Host) -> EngineProbe {
    let problem = kvm::problem(host);
    EngineProbe {
        kind: VmmKind::Krun,
        usable: problem.is_none(),
        accelerated: problem.is_none(),
        detail: "libkrun, built in, on /dev/kvm".into(),
        problems: problem.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;
    use crate::host::{KvmError, tests::FakeHost};

    #[test]
    fn libkrun_is_usable_exactly_where_kvm_is() {
        for (kvm, usable) in [(Ok(()), true), (Err(KvmError::Open(Errno::ENOENT)), false)] {
            let report = probe(&FakeHost { kvm, ..FakeHost::good() });
            assert_eq!(
                (report.usable, report.accelerated, report.problems.is_empty()),
                (usable, usable, usable)
            );
        }
    }
}
