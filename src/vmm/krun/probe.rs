//! Whether `/dev/kvm` can really be used, and if not, why. Called by `probe` and, where a machine can't be made, by
//! `engine`.

use boxlite_spec::{EngineProbe, EngineProblem, VmmKind};
use nix::errno::Errno;

use crate::{
    host::{Host, KvmError, Processor},
    probe::problem,
};

/// Whether libkrun can run a box on `host`.
pub(crate) fn probe(host: &impl Host) -> EngineProbe {
    let problem = kvm_problem(host);
    EngineProbe {
        kind: VmmKind::Krun,
        usable: problem.is_none(),
        accelerated: problem.is_none(),
        detail: "libkrun, built in, on /dev/kvm".into(),
        problems: problem.into_iter().collect(),
    }
}

/// What keeps KVM from working, if anything does.
pub(crate) fn kvm_problem(host: &impl Host) -> Option<EngineProblem> {
    let processor = host.processor();
    let error = match host.try_kvm() {
        Ok(()) if processor.virtualises => return None,
        // A KVM without hardware behind it (PVM is one) makes machines, but ours don't get far in them.
        Ok(()) => return Some(unusable("use /dev/kvm: the processor shows neither VT-x nor AMD-V")),
        Err(error) => error,
    };
    Some(match error {
        KvmError::Open(Errno::EACCES | Errno::EPERM) => problem(
            "kvm_forbidden",
            "open /dev/kvm: permission denied",
            "join the group that owns it and log in again: sudo usermod -aG kvm \"$USER\" \
             (in a container: run it with --device /dev/kvm and the group's id)",
        ),
        KvmError::Open(Errno::ENOENT | Errno::ENODEV | Errno::ENXIO) => absent(processor),
        KvmError::Open(errno) => unusable(&format!("open /dev/kvm: {errno}")),
        KvmError::Version(version) => {
            unusable(&format!("ask /dev/kvm for its version: {version} instead of 12"))
        }
        KvmError::Create(errno) => unusable(&format!("make a virtual CPU with /dev/kvm: {errno}")),
    })
}

/// Why the device is not there.
fn absent(processor: Processor) -> EngineProblem {
    let message = "open /dev/kvm: no such device";
    if processor.virtualises {
        let remedy = "load the module: sudo modprobe kvm_intel || sudo modprobe kvm_amd \
                      (in a container: run it with --device /dev/kvm)";
        problem("kvm_absent", message, remedy)
    } else if processor.is_virtual {
        let remedy = "this is a virtual machine whose processor shows no virtualisation: enable nested virtualisation \
                      for it, or use a bare-metal machine";
        problem("nested_off", message, remedy)
    } else {
        problem("kvm_absent", message, "enable virtualisation (VT-x, AMD-V or SVM) in the firmware's setup")
    }
}

fn unusable(message: &str) -> EngineProblem {
    let remedy = "look at the kernel's log (sudo dmesg | grep -i kvm); another hypervisor may hold the processor, \
                  and in a virtual machine nested virtualisation must be enabled";
    problem("kvm_unusable", message, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::FakeHost;

    #[test]
    fn a_working_kvm_has_no_problem() {
        let report = probe(&FakeHost::good());
        assert!(report.usable && report.accelerated && report.problems.is_empty());
    }

    #[test]
    fn each_failure_has_its_name_and_remedy() {
        let cloud = Processor { virtualises: false, is_virtual: true };
        let nested = Processor { virtualises: true, is_virtual: true };
        let bare = Processor { virtualises: true, is_virtual: false };
        let old = Processor { virtualises: false, is_virtual: false };
        for (kvm, processor, code, remedy) in [
            (Err(KvmError::Open(Errno::EACCES)), bare, "kvm_forbidden", "usermod -aG kvm"),
            (Err(KvmError::Open(Errno::ENOENT)), bare, "kvm_absent", "modprobe"),
            (Err(KvmError::Open(Errno::ENOENT)), nested, "kvm_absent", "modprobe"),
            (Err(KvmError::Open(Errno::ENOENT)), cloud, "nested_off", "nested virtualisation"),
            (Err(KvmError::Open(Errno::ENOENT)), old, "kvm_absent", "firmware"),
            (Err(KvmError::Open(Errno::EBUSY)), bare, "kvm_unusable", "dmesg"),
            (Err(KvmError::Version(11)), bare, "kvm_unusable", "dmesg"),
            (Err(KvmError::Create(Errno::ENOMEM)), bare, "kvm_unusable", "dmesg"),
            (Ok(()), cloud, "kvm_unusable", "dmesg"),
        ] {
            let report = probe(&FakeHost { kvm, processor, ..FakeHost::good() });
            assert!(!report.usable, "{kvm:?}");
            assert_eq!(report.problems[0].code, code, "{kvm:?} {processor:?}");
            assert!(report.problems[0].remedy.contains(remedy), "{:?}", report.problems[0]);
        }
    }
}
