//! How QEMU executes the guest's instructions: by KVM, or by translation on one thread or on one thread for each CPU. Called by
//! `engine`, and by `arguments` for the value of `-accel`.

use std::path::Path;

use super::version::{PATCH_SAFE, Version};
use crate::{host::Host, kvm};

/// How much translated code QEMU retains under emulation, in MiB. Its default of up to 1 GiB would count as the box's memory.
const TRANSLATION_MIB: u32 = 128;

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accelerator {
    /// The host's processor.
    Kvm,
    /// Translation by QEMU, on one thread on which all CPUs take turns.
    OneThread,
    /// Translation by QEMU, on a thread for each CPU.
    ThreadForEachCpu,
}

impl Accelerator {
    /// Chooses for a machine of `cpus` on `host`. QEMU itself would notice too late that KVM does not work.
    pub(super) fn choose(host: &impl Host, program: &Path, cpus: u8) -> Self {
        if kvm::problem(host).is_none() {
            Self::Kvm
        } else if cpus == 1 || can_run_in_parallel(host, program) {
            Self::ThreadForEachCpu
        } else {
            Self::OneThread
        }
    }

    /// Returns the value of `-accel`.
    pub(super) fn argument(self) -> String {
        let threads = match self {
            Self::Kvm => return "kvm".to_owned(),
            Self::OneThread => "single",
            Self::ThreadForEachCpu => "multi",
        };
        format!("tcg,thread={threads},tb-size={TRANSLATION_MIB}")
    }

    /// Returns the value of `-cpu`: the host's own processor with KVM, and one with every feature that QEMU emulates without. The two that are
    /// left out say that copying byte by byte is fast, which is true of a processor; QEMU copies eight bytes in the time of one.
    pub(super) const fn processor(self) -> &'static str {
        match self {
            Self::Kvm => "max",
            Self::OneThread | Self::ThreadForEachCpu => "max,erms=off,fsrm=off",
        }
    }
}

/// Whether the CPUs of an emulated machine can run in parallel. Before 8.1, QEMU may retain the translation of an instruction that another CPU changes
/// at that moment ("accel/tcg: Always lock pages before translation"). Linux patches its own code while it runs, behind a breakpoint
/// that it removes afterwards (arch/x86/kernel/alternative.c, `text_poke_bp_batch`); a CPU that still executes the breakpoint panics
/// with "int3". This happens at one start in some hundreds on a busy host, so the CPUs of an older QEMU take turns. Reading the
/// version takes some 20 ms, which a machine of one CPU need not spend.
fn can_run_in_parallel(host: &impl Host, program: &Path) -> bool {
    let version = host.output(program, &["-version"]).ok().and_then(|text| Version::parse(&text));
    version.is_some_and(|version| version >= PATCH_SAFE)
}

#[cfg(test)]
mod tests {
    use std::io;

    use nix::errno::Errno;

    use super::*;
    use crate::host::{KvmError, tests::FakeHost};

    fn chosen(version: io::Result<&'static str>, cpus: u8) -> Accelerator {
        let host = FakeHost { kvm: Err(KvmError::Open(Errno::ENOENT)), version, ..FakeHost::good() };
        Accelerator::choose(&host, Path::new("qemu"), cpus)
    }

    #[test]
    fn kvm_is_chosen_where_it_works() {
        assert_eq!(Accelerator::choose(&FakeHost::good(), Path::new("qemu"), 2), Accelerator::Kvm);
        assert_eq!(Accelerator::Kvm.argument(), "kvm");
    }

    #[test]
    fn several_cpus_take_turns_unless_qemu_is_known_to_be_safe() {
        for (version, cpus, accelerator) in [
            ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)", 2, Accelerator::OneThread),
            ("QEMU emulator version 8.0.5", 32, Accelerator::OneThread),
            ("hello", 2, Accelerator::OneThread),
            ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)", 1, Accelerator::ThreadForEachCpu),
            ("QEMU emulator version 8.1.0", 2, Accelerator::ThreadForEachCpu),
            ("QEMU emulator version 10.0.2", 2, Accelerator::ThreadForEachCpu),
        ] {
            assert_eq!(chosen(Ok(version), cpus), accelerator, "{version}, {cpus}");
        }
        assert_eq!(chosen(Err(io::Error::other("killed")), 2), Accelerator::OneThread);
        assert_eq!(Accelerator::OneThread.argument(), "tcg,thread=single,tb-size=128");
    }
}
