//! Whether there is a QEMU that can run a box, and whether it is accelerated. Called by the crate's `probe` and, if QEMU failed, by
//! `engine`. Starts QEMU twice, which takes some 50 ms.

use std::path::{Path, PathBuf};

use boxlite_spec::{EngineProbe, EngineProblem, VmmKind};

use super::version::{OLDEST, Version};
use crate::{host::Host, kvm};

/// The programs to look for. The second one, which Debian has, is small but has no emulation.
const PROGRAMS: [&str; 2] = ["qemu-system-x86_64", "qemu-system-x86_64-microvm"];

/// How to install QEMU.
const INSTALL: &str = "install QEMU: sudo apt-get install -y --no-install-recommends qemu-system-x86 \
                       (Fedora: sudo dnf install qemu-system-x86-core; Alpine: apk add qemu-system-x86_64)";

/// Returns QEMU's program: `wanted`, or else the first that is found in `PATH`.
pub(super) fn find(host: &impl Host, wanted: Option<&Path>) -> Result<PathBuf, EngineProblem> {
    match wanted {
        Some(path) if path.is_file() => Ok(path.into()),
        Some(path) => Err(missing(format!("find QEMU {}: no such file", path.display()))),
        None => PROGRAMS
            .iter()
            .find_map(|name| host.find_program(name))
            .ok_or_else(|| missing(format!("find {} in PATH: not found", PROGRAMS[0]))),
    }
}

fn missing(message: String) -> EngineProblem {
    EngineProblem::new("qemu_missing", message, INSTALL)
}

fn broken(message: String) -> EngineProblem {
    EngineProblem::new("qemu_broken", message, format!("re{INSTALL}"))
}

/// Checks whether QEMU can run a box on `host`.
pub(crate) fn probe(host: &impl Host, wanted: Option<&Path>) -> EngineProbe {
    let mut report = EngineProbe {
        kind: VmmKind::Qemu,
        usable: false,
        accelerated: false,
        detail: "QEMU".into(),
        problems: vec![],
    };
    if let Err(problem) = find(host, wanted).and_then(|program| examine(host, &program, &mut report)) {
        report.problems.insert(0, problem);
    }
    report
}

/// Fills `report` in. Fails with the problem that makes QEMU unusable.
fn examine(host: &impl Host, program: &Path, report: &mut EngineProbe) -> Result<(), EngineProblem> {
    let place = program.display();
    let run = |arguments: &[&str]| {
        let output = host.output(program, arguments);
        output.map_err(|error| broken(format!("run {place} {}: {error}", arguments.join(" "))))
    };
    let output = run(&["-version"])?;
    let version = Version::parse(&output).ok_or_else(|| {
        broken(format!("read the version of {place}: {}", output.lines().next().unwrap_or_default()))
    })?;
    report.detail = format!("QEMU {version}, {place}");
    if version < OLDEST {
        let message = format!("use {place}: {version} is older than {OLDEST}");
        return Err(EngineProblem::new("qemu_too_old", message, INSTALL));
    }
    let accelerators = run(&["-accel", "help"])?;
    let has = |name: &str| accelerators.lines().any(|line| line.trim() == name);
    let kvm = kvm::problem(host);
    report.accelerated = has("kvm") && kvm.is_none();
    report.usable = report.accelerated || has("tcg");
    if !report.usable {
        let message = format!("use {place} without KVM: it has no emulation");
        return Err(EngineProblem::new("qemu_no_emulation", message, INSTALL));
    }
    // Emulation works but is slow, so the report includes what would make it fast.
    report.problems.extend(kvm);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;

    use nix::errno::Errno;

    use super::*;
    use crate::host::{KvmError, tests::FakeHost};

    fn without_kvm() -> FakeHost {
        FakeHost { kvm: Err(KvmError::Open(Errno::ENOENT)), ..FakeHost::good() }
    }

    #[test]
    fn kvm_makes_it_fast_and_emulation_makes_it_run() {
        let fast = probe(&FakeHost::good(), None);
        assert!(fast.usable && fast.accelerated && fast.problems.is_empty());
        assert_eq!(fast.detail, "QEMU 7.2, /usr/bin/qemu-system-x86_64");
        let slow = probe(&without_kvm(), None);
        assert!(slow.usable && !slow.accelerated);
        assert_eq!(slow.problems[0].code, "kvm_absent");
    }

    #[test]
    fn each_failure_has_its_name_and_remedy() {
        let missing = FakeHost { qemu: None, ..without_kvm() };
        let old = FakeHost { version: Ok("QEMU emulator version 6.2.0"), ..without_kvm() };
        let odd = FakeHost { version: Ok("hello"), ..without_kvm() };
        let broken = FakeHost { version: Err(io::Error::other("libfoo.so: not found")), ..without_kvm() };
        let small =
            FakeHost { accelerators: "Accelerators supported in QEMU binary:\nkvm\n", ..without_kvm() };
        for (host, code) in [
            (missing, "qemu_missing"),
            (old, "qemu_too_old"),
            (odd, "qemu_broken"),
            (broken, "qemu_broken"),
            (small, "qemu_no_emulation"),
        ] {
            let report = probe(&host, None);
            assert!(!report.usable);
            assert_eq!(report.problems[0].code, code);
            assert!(report.problems[0].remedy.contains("apt-get install"), "{:?}", report.problems[0]);
        }
    }

    #[test]
    fn a_wanted_program_is_not_searched_for() {
        let report = probe(&FakeHost::good(), Some(Path::new("/nonexistent/qemu")));
        assert_eq!(report.problems[0].code, "qemu_missing");
        assert!(report.problems[0].message.contains("/nonexistent/qemu"));
    }
}
