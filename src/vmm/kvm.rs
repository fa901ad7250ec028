//! Whether `/dev/kvm` can really be used, and if not, why. Called by the probes of both engines, by `krun::engine` where a machine
//! could not be started, and by `qemu::accelerator`.

use boxlite_spec::EngineProblem;
use nix::errno::Errno;

use crate::host::{Host, KvmError, Processor};

/// What keeps KVM from working on `host`; `None` if it works.
pub(crate) fn problem(host: &impl Host) -> Option<EngineProblem> {
    let processor = host.processor();
    let error = match host.try_kvm() {
        Ok(()) if processor.virtualises => return None,
        // A KVM without hardware behind it (PVM is one) creates machines, but our guest does not boot in them.
        Ok(()) => return Some(unusable("use /dev/kvm: the processor shows neither VT-x nor AMD-V")),
        Err(error) => error,
    };
    Some(match error {
        KvmError::Open(Errno::EACCES | Errno::EPERM) => EngineProblem::new(
            "kvm_forbidden",
            "open /dev/kvm: permission denied",
            "join the group that owns it and log in again: sudo usermod -aG kvm \"$USER\" \
             (in a container: run it with --device /dev/kvm and the group's id)",
        ),
        KvmError::Open(Errno::ENOENT | Errno::ENODEV | Errno::ENXIO) => absent(processor),
        KvmError::Open(errno) => unusable(&format!("open /dev/kvm: {errno}")),
        KvmError::Version(version) => {
            unusable(&format!("use /dev/kvm: its API has version {version} instead of 12"))
        }
        KvmError::Create(errno) => unusable(&format!("create a virtual CPU with /dev/kvm: {errno}")),
    })
}

/// Why the device does not exist.
fn absent(processor: Processor) -> EngineProblem {
    let message = "open /dev/kvm: no such device";
    if processor.virtualises {
        let remedy = "load the module: sudo modprobe kvm_intel || sudo modprobe kvm_amd \
                      (in a container: run it with --device /dev/kvm)";
        EngineProblem::new("kvm_absent", message, remedy)
    } else if processor.is_virtual {
        let remedy = "this is a virtual machine whose processor shows no virtualisation: enable nested virtualisation \
                      for it, or use a bare-metal machine";
        EngineProblem::new("nested_off", message, remedy)
    } else {
        EngineProblem::new(
            "kvm_absent",
            message,
            "enable virtualisation (VT-x, AMD-V or SVM) in the firmware's setup",
        )
    }
}

fn unusable(message: &str) -> EngineProblem {
    let remedy = "look at the kernel's log (sudo dmesg | grep -i kvm); another hypervisor may hold the processor, \
                  and in a virtual machine nested virtualisation must be enabled";
    EngineProblem::new("kvm_unusable", message, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::FakeHost;

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
            let problem = problem(&FakeHost { kvm, processor, ..FakeHost::good() }).unwrap();
            assert_eq!(problem.code, code, "{kvm:?} {processor:?}");
            assert!(problem.remedy.contains(remedy), "{problem:?}");
        }
        assert_eq!(problem(&FakeHost::good()), None);
    }
}
