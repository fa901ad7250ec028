//! What this crate reads from the machine it runs on: the KVM device, the processor, programs. It is a trait so that probes can be
//! tested against machines that are not at hand. Called by the probes.

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
    /// It has another version of the API than 12, the only one there is (Documentation/virt/kvm/api.rst).
    Version(i32),
    /// A VM or a virtual CPU can't be created.
    Create(Errno),
}

/// What CPUID reports of the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Processor {
    /// Whether it can run virtual machines: VT-x or AMD-V.
    pub(crate) virtualises: bool,
    /// Whether it is the processor of a virtual machine.
    pub(crate) is_virtual: bool,
}

/// A machine that may run boxes.
pub(crate) trait Host {
    /// Opens KVM, creates a VM with one CPU and drops it. Takes less than a millisecond.
    fn try_kvm(&self) -> Result<(), KvmError>;
    /// Reads CPUID: `/proc/cpuinfo` holds the same and takes milliseconds on large machines.
    fn processor(&self) -> Processor;
    /// Finds the program `name` in `PATH`.
    fn find_program(&self, name: &str) -> Option<PathBuf>;
    /// Runs `program` and returns its standard output if it succeeds.
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
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("{}: {}", output.status, stderr.trim())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A machine with fixed answers.
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
