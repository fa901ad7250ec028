//! The doctor: what this machine can do for boxes and, for each thing missing, the remedy. Changes nothing. The home is
//! checked by `home`, its boxes by `boxes`, the host by `host`, its network by `network` and `kernel`, and the shim's mount by `mount`;
//! assets and engines are checked here.

mod boxes;
mod home;
mod host;
mod kernel;
mod mount;
mod network;

use boxlite_error::{BoxliteError, Term, Text};
use boxlite_spec::{EngineProbe, VmmKind};

use serde::{Deserialize, Serialize};

use crate::{
    options::runtime_options::RuntimeOptions,
    shim::{
        assets::{Asset, Assets},
        engine::{self, Depth},
    },
    state::layout::home_of,
};

/// The checks without which no box can run. An engine that can't run, or a full disk to come, is no obstacle while another engine can.
const OBSTACLES: [&str; 7] = ["home", "home_owner", "shim", "shim_mount", "shim_runs", "kernel", "initramfs"];

/// The findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorReport {
    /// Whether a box can run here.
    pub ok: bool,
    /// The engine that `auto` chooses.
    pub engine: Option<VmmKind>,
    /// Whether that engine is on hardware virtualisation.
    pub accelerated: bool,
    /// All findings.
    pub checks: Vec<DoctorCheck>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorCheck {
    /// Stable name: `home`, `home_owner`, `home_file_system`, `home_path`, `disk_space`, `boxes`, `boxes_newer`,
    /// `boxes_damaged`, `leftovers`, `leftover_processes`, `shim_mount`, `open_files`, `processes`, `memory`, `clock`,
    /// `temporary_folder`, `system_calls`, `proxy`, `credential_helper`, `shim`, `shim_runs`, `kernel`, `initramfs`,
    /// `network_resolver`, `network_route`, `network_ipv6`, `network_addresses`, `network_authorities`, `network_sockets`,
    /// `network_open_files`, `network_local_ports`, `network_tracking`, `network_low_ports`, `network_ping`, `network_proxy`,
    /// `network_gvproxy`, `network_libslirp`, `engine_krun`, `engine_qemu`, or the name of an engine's problem (`kvm_absent`, `qemu_missing`, …).
    pub code: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found.
    pub message: Text,
    /// What to do about it.
    pub remedy: Option<Text>,
}

impl DoctorReport {
    pub(crate) fn broken(message: &str) -> Self {
        let check = DoctorCheck::bad("doctor", message, "report this");
        Self { ok: false, engine: None, accelerated: false, checks: vec![check] }
    }
}

impl DoctorCheck {
    fn good(code: &str, message: impl Into<Text>) -> Self {
        Self { code: code.to_owned(), ok: true, message: message.into(), remedy: None }
    }

    fn bad(code: &str, message: impl Into<Text>, remedy: impl Into<Text>) -> Self {
        Self { code: code.to_owned(), ok: false, message: message.into(), remedy: Some(remedy.into()) }
    }

    /// `message` either way, and the remedy unless it is `ok`.
    fn judged(ok: bool, code: &str, message: impl Into<Text>, remedy: &'static str) -> Self {
        if ok { Self::good(code, message) } else { Self::bad(code, message, remedy) }
    }

    /// What `error` says, and its hint; `remedy` if it has none.
    fn failed(code: &str, error: &BoxliteError, remedy: impl Into<Text>) -> Self {
        Self::bad(code, error.message(), error.hint_text().cloned().unwrap_or_else(|| remedy.into()))
    }
}

/// Runs every check. Blocking.
pub(crate) fn examine(options: RuntimeOptions) -> DoctorReport {
    let mut checks = home::examine(options.home.as_deref());
    if let Ok(home) = home_of(options.home.as_deref()) {
        checks.extend(boxes::examine(&home));
    }
    checks.extend(host::examine());
    checks.extend(network::examine());
    let assets = Assets::new(options.parts);
    checks.extend(Asset::ALL.map(|asset| match assets.find(asset) {
        Ok(path) => DoctorCheck::good(asset.name(), path.display().to_string()),
        Err(error) => DoctorCheck::failed(asset.name(), &error, Term::Package),
    }));
    checks.extend(assets.find(Asset::Shim).ok().and_then(|shim| mount::executable(&shim)));
    let mut best = None;
    match engine::probe(&assets, Depth::All) {
        Ok(report) => {
            best = report.engines.iter().find(|engine| engine.usable).cloned();
            for engine in &report.engines {
                examine_engine(engine, best.as_ref(), &mut checks);
            }
        }
        Err(error) if checks.iter().any(|check| check.code == "shim" && check.ok) => {
            checks.push(DoctorCheck::failed("shim_runs", &error, "reinstall"));
        }
        Err(_) => {}
    }
    let obstacle = |check: &DoctorCheck| !check.ok && OBSTACLES.contains(&check.code.as_str());
    DoctorReport {
        ok: best.is_some() && !checks.iter().any(obstacle),
        engine: best.as_ref().map(|engine| engine.kind),
        accelerated: best.is_some_and(|engine| engine.accelerated),
        checks,
    }
}

fn examine_engine(engine: &EngineProbe, best: Option<&EngineProbe>, checks: &mut Vec<DoctorCheck>) {
    let code = format!("engine_{}", engine.kind);
    if engine.usable {
        let how =
            if engine.accelerated { "hardware virtualisation" } else { "software emulation, which is slow" };
        checks.push(DoctorCheck::good(&code, format!("{} ({how})", engine.detail)));
    }
    for problem in &engine.problems {
        // Both engines would like KVM; once is enough.
        if checks.iter().any(|check| check.code == problem.code) {
            continue;
        }
        let mut message = problem.message.clone();
        if !engine.usable
            && let Some(best) = best
        {
            message = format!("{message}; boxes run on engine `{}` meanwhile", best.kind);
        }
        checks.push(DoctorCheck::bad(&problem.code, message, &problem.remedy));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_parts_is_told_what_is_missing() {
        let home = tempfile::tempdir().unwrap();
        let report = examine(RuntimeOptions {
            home: Some(home.path().join("not/yet")),
            parts: Some("/nowhere".into()),
            ..Default::default()
        });
        assert!(!report.ok);
        let missing: Vec<_> =
            report.checks.iter().filter(|check| !check.ok).map(|check| check.code.as_str()).collect();
        assert!(missing.contains(&"shim") && missing.contains(&"kernel"), "{missing:?}");
        assert!(!home.path().join("not").exists(), "the doctor changes nothing");
    }
}
