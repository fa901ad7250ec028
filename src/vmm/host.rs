//! What this crate asks the machine it runs on: the KVM device, the processor, programs. A trait, so that probes are
//! tested against machines that nobody has at hand.

use std::{
    arch::x86_64::__cpuid,
    env, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::{errno::Errno, unistd::AccessFlags};

/// The step at which KVM failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KvmError {
    /// `/dev/kvm` can't be opened for reading and writing.
    Open(Errno),
    /// It speaks another version of the API than 12, the only one there is (Documentation/virt/kvm/api.rst).
    Version(i32),
    /// A VM or a virtual CPU can't be made.
    Create(Errno),
}

/// What the processor says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Processor {
    /// It can run virtual machines: VT-x or AMD-V.
    pub(crate) virtualises: bool,
    /// It is a virtual machine's.
    pub(crate) is_virtual: bool,
}

/// A machine.
pub(crate) trait Host {
    /// Opens KVM, makes a VM with one CPU and throws it away. Under a millisecond.
    fn try_kvm(&self) -> Result<(), KvmError>;
    /// The processor, asked by CPUID: `/proc/cpuinfo` says the same and takes milliseconds on large machines.
    fn processor(&self) -> Processor;
    /// Where `name` stands in `PATH`.
    fn find_program(&self, name: &str) -> Option<PathBuf>;
    /// What `program` prints to standard output when it succeeds. Takes a process.
    fn output(&self, program: &Path, arguments: &[&str]) -> io::Result<String>;
}

/// The machine that this process runs on.
pub(crate) struct ThisHost;

impl Host for ThisHost {
    fn try_kvm(&self) -> Result<(), KvmError> {
        let errno = |error: kvm_ioctls::Error| Errno::from_raw(error.errno());
        let kvm = kvm_ioctls::Kvm::new().map_err(|error| KvmError::Open(errno(error)))?;
        match kvm.get_api_version() {
            12 => {}
            other => return Err(KvmError::Version(other)),
        }
        let vm = kvm.create_vm().map_err(|error| KvmError::Create(errno(error)))?;
        vm.create_vcpu(0).map_err(|error| KvmError::Create(errno(error)))?;
        Ok(())
    }

    fn processor(&self) -> Processor {
        // Intel SDM vol. 2A, CPUID: leaf 1, ECX bit 5 is VMX, bit 31 is set by hypervisors. AMD APM vol. 3, E.4.2: leaf
        // 8000_0001h, ECX bit 2 is SVM.
        let basic = __cpuid(1).ecx;
        let extended = if __cpuid(0x8000_0000).eax > 0x8000_0000 { __cpuid(0x8000_0001).ecx } else { 0 };
        Processor {
            virtualises: basic & 1 << 5 != 0 || extended & 1 << 2 != 0,
            is_virtual: basic & 1 << 31 != 0,
        }
    }

    fn find_program(&self, name: &str) -> Option<PathBuf> {
        env::split_paths(&env::var_os("PATH")?)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|path| path.is_file() && nix::unistd::access(path, AccessFlags::X_OK).is_ok())
    }

    fn output(&self, program: &Path, arguments: &[&str]) -> io::Result<String> {
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("{}: {}", output.status, said.trim())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A machine made of answers.
    pub(crate) struct FakeHost {
        pub(crate) kvm: Result<(), KvmError>,
        pub(crate) processor: Processor,
        pub(crate) qemu: Option<PathBuf>,
        pub(crate) version: io::Result<&'static str>,
        pub(crate) accelerators: &'static str,
    }

    impl FakeHost {
        /// A machine where everything works.
        pub(crate) fn good() -> Self {
            Self {
                kvm: Ok(()),
                processor: Processor { virtualises: true, is_virtual: false },
                qemu: Some("/usr/bin/qemu-system-x86_64".into()),
                version: Ok("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright"),
                accelerators: "Accelerators supported in QEMU binary:\ntcg\nkvm\n",
            }
        }
    }

    impl Host for FakeHost {
        fn try_kvm(&self) -> Result<(), KvmError> {
            self.kvm
        }

        fn processor(&self) -> Processor {
            self.processor
        }

        fn find_program(&self, _: &str) -> Option<PathBuf> {
            self.qemu.clone()
        }

        fn output(&self, _: &Path, arguments: &[&str]) -> io::Result<String> {
            match arguments {
                ["-version"] => match &self.version {
                    Ok(version) => Ok((*version).to_owned()),
                    Err(error) => Err(io::Error::other(error.to_string())),
                },
                _ => Ok(self.accelerators.into()),
            }
        }
    }
}
