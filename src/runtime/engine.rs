//! The choice of engine: asks the shim what this machine can do (`boxlite-shim probe`) and settles on one.
//! Called by the pipeline before a shim is spawned, and by the doctor.

use std::{
    process::{Command, Output, Stdio},
    time::Duration,
};

use boxlite_spec::{EngineProbe, ProbeReport, VmmKind};
use serde::{Deserialize, Serialize};

use crate::{
    BoxliteError, BoxliteResult, EngineChoice, ErrorCode,
    parts::{Part, Parts},
};

/// The engine that boxes of a runtime run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Engine {
    pub(crate) kind: VmmKind,
    pub(crate) accelerated: bool,
}

impl Engine {
    /// How long the guest may take from power-on to its ready notification. Emulation on a loaded machine is slow.
    pub(crate) const fn boot_deadline(self) -> Duration {
        if self.accelerated { Duration::from_secs(30) } else { Duration::from_mins(2) }
    }
}

/// How much the probe looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The best engine is enough.
    First,
    /// Every engine, for the doctor and for an engine that the user names.
    All,
}

/// Asks the shim. Blocking: it runs a process.
pub(crate) fn probe(parts: &Parts, depth: Depth) -> BoxliteResult<ProbeReport> {
    let shim = parts.find(Part::Shim)?;
    let mut command = Command::new(&shim);
    command.arg("probe").stdin(Stdio::null());
    if depth == Depth::All {
        command.arg("--all");
    }
    let failed = |what: String| {
        BoxliteError::new(ErrorCode::PartMissing, format!("run shim `{}`: {what}", shim.display()))
            .hint("reinstall `@boxlite/node`; the shim needs glibc 2.34 or newer")
    };
    let Output { status, stdout, stderr } =
        command.output().map_err(|error| failed("it can't be executed".to_owned()).caused_by(error))?;
    if !status.success() {
        return Err(failed(format!("{status}: {}", String::from_utf8_lossy(&stderr).trim())));
    }
    serde_json::from_slice(&stdout)
        .map_err(|error| failed("its answer can't be read".to_owned()).caused_by(error))
}

/// Settles on an engine, or says why none will do.
pub(crate) fn choose(choice: EngineChoice, parts: &Parts) -> BoxliteResult<Engine> {
    let depth = if choice == EngineChoice::Auto { Depth::First } else { Depth::All };
    settle(choice, &probe(parts, depth)?)
}

fn settle(choice: EngineChoice, report: &ProbeReport) -> BoxliteResult<Engine> {
    let wanted: Vec<&EngineProbe> = match choice {
        EngineChoice::Auto => report.engines.iter().collect(),
        EngineChoice::Only(kind) => report.engine(kind).into_iter().collect(),
    };
    if let Some(engine) = wanted.iter().find(|engine| engine.usable) {
        return Ok(Engine { kind: engine.kind, accelerated: engine.accelerated });
    }
    let problems =
        wanted.iter().flat_map(|engine| engine.problems.iter().map(|problem| (engine.kind, problem)));
    let (reasons, remedies): (Vec<_>, Vec<_>) = problems
        .map(|(kind, problem)| (format!("{kind}: {}", problem.message), problem.remedy.clone()))
        .unzip();
    let what = match choice {
        EngineChoice::Auto => "choose an engine: none can run here".to_owned(),
        EngineChoice::Only(kind) => format!("use engine `{kind}`: it can't run here"),
    };
    let why =
        if reasons.is_empty() { "the shim was built without it".to_owned() } else { reasons.join("; ") };
    let error = BoxliteError::new(ErrorCode::EngineUnsupported, format!("{what} ({why})"));
    // With a choice, the easiest remedy is the last engine's: QEMU needs no hardware.
    Err(error.maybe_hint(if choice == EngineChoice::Auto { remedies.last() } else { remedies.first() }))
}

#[cfg(test)]
mod tests {
    use boxlite_spec::EngineProblem;

    use super::*;

    fn engine(kind: VmmKind, usable: bool) -> EngineProbe {
        let problem = EngineProblem {
            code: format!("{kind}_missing"),
            message: format!("no {kind} at all"),
            remedy: format!("install {kind}"),
        };
        let problems = if usable { vec![] } else { vec![problem] };
        EngineProbe { kind, usable, accelerated: kind == VmmKind::Krun, detail: String::new(), problems }
    }

    #[test]
    fn auto_takes_the_first_usable_one() {
        let report = ProbeReport { engines: vec![engine(VmmKind::Krun, false), engine(VmmKind::Qemu, true)] };
        assert_eq!(settle(EngineChoice::Auto, &report).unwrap().kind, VmmKind::Qemu);
    }

    #[test]
    fn a_named_engine_is_never_replaced() {
        let report = ProbeReport { engines: vec![engine(VmmKind::Krun, false), engine(VmmKind::Qemu, true)] };
        let error = settle(EngineChoice::Only(VmmKind::Krun), &report).unwrap_err();
        assert_eq!(error.code(), ErrorCode::EngineUnsupported);
        assert!(error.to_string().contains("no krun at all"));
        assert_eq!(error.hint_text(), Some("install krun"));
    }

    #[test]
    fn with_no_engine_the_remedy_that_needs_no_hardware_is_told() {
        let report =
            ProbeReport { engines: vec![engine(VmmKind::Krun, false), engine(VmmKind::Qemu, false)] };
        let error = settle(EngineChoice::Auto, &report).unwrap_err();
        assert_eq!(error.hint_text(), Some("install qemu"));
    }
}
