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
    use boxlite_spec::EngineProblem;
    use nix::errno::Errno;

    use super::*;
    use crate::host::{KvmError, tests::FakeHost};

    #[test]
    fn libkrun_is_usable_exactly_where_kvm_is() {
        let good = probe(&FakeHost::good());
        assert!(good.usable && good.accelerated && good.problems.is_empty());
        let bad = probe(&FakeHost { kvm: Err(KvmError::Open(Errno::ENOENT)), ..FakeHost::good() });
        let codes = |problems: Vec<EngineProblem>| problems.into_iter().map(|problem| problem.code);
        assert!(!bad.usable && !bad.accelerated && codes(bad.problems).eq(["kvm_absent"]));
    }
}
