//! How QEMU carries out the guest's instructions: by KVM, or translated, on one thread or on one for each CPU. Chosen by
//! `engine`, rendered by `arguments`.

use std::path::Path;

use super::version::{PATCH_SAFE, Version};
use crate::{host::Host, krun};

/// How much translated code QEMU keeps under emulation, in MiB; its default of up to 1 GiB would count as the box's.
const TRANSLATION_MIB: u32 = 128;

/// What runs the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accelerator {
    /// The host's processor.
    Kvm,
    /// Translation.
    Emulation(Threads),
}

/// Who carries out the instructions of an emulated machine's CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    /// One thread, in turns.
    One,
    /// A thread for each CPU.
    EachCpu,
}

impl Accelerator {
    /// For a machine of `cpus` on `host`. QEMU itself would find out too late whether KVM works.
    pub(super) fn choose(host: &impl Host, program: &Path, cpus: u8) -> Self {
        if krun::kvm_problem(host).is_none() {
            Self::Kvm
        } else {
            Self::Emulation(threads(host, program, cpus))
        }
    }

    /// The value of `-accel`.
    pub(super) fn argument(self) -> String {
        let threads = match self {
            Self::Kvm => return "kvm".to_owned(),
            Self::Emulation(Threads::One) => "single",
            Self::Emulation(Threads::EachCpu) => "multi",
        };
        format!("tcg,thread={threads},tb-size={TRANSLATION_MIB}")
    }
}

/// Before 8.1, QEMU may keep the translation of an instruction that another CPU changes at that moment ("accel/tcg: Always lock
/// pages before translation"). Linux patches its own code while it runs, behind a breakpoint that it then takes away
/// (arch/x86/kernel/alternative.c, `text_poke_bp_batch`): a CPU that goes on to meet the breakpoint panics with "int3". It
/// happens to one start in hundreds on a busy host. So the CPUs of an older QEMU take turns. Asking for the version takes
/// some 20 ms, which a machine of one CPU need not spend.
fn threads(host: &impl Host, program: &Path, cpus: u8) -> Threads {
    let is_safe = || {
        let said = host.output(program, &["-version"]).ok();
        said.and_then(|said| Version::parse(&said)).is_some_and(|version| version >= PATCH_SAFE)
    };
    if cpus == 1 || is_safe() { Threads::EachCpu } else { Threads::One }
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
    fn kvm_is_taken_where_it_works() {
        assert_eq!(Accelerator::choose(&FakeHost::good(), Path::new("qemu"), 2), Accelerator::Kvm);
        assert_eq!(Accelerator::Kvm.argument(), "kvm");
    }

    #[test]
    fn several_cpus_take_turns_unless_qemu_is_known_to_be_safe() {
        for (version, cpus, threads) in [
            ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)", 2, Threads::One),
            ("QEMU emulator version 8.0.5", 32, Threads::One),
            ("hello", 2, Threads::One),
            ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)", 1, Threads::EachCpu),
            ("QEMU emulator version 8.1.0", 2, Threads::EachCpu),
            ("QEMU emulator version 10.0.2", 2, Threads::EachCpu),
        ] {
            assert_eq!(chosen(Ok(version), cpus), Accelerator::Emulation(threads), "{version}, {cpus}");
        }
        assert_eq!(chosen(Err(io::Error::other("killed")), 2), Accelerator::Emulation(Threads::One));
        assert_eq!(Accelerator::Emulation(Threads::One).argument(), "tcg,thread=single,tb-size=128");
    }
}
