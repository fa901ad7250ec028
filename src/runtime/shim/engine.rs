//! The choice of engine: asks the shim what this machine can do (`boxlite-shim probe`) and settles on one.
//! Called by the pipeline before a shim is spawned, and by the doctor.

use std::{
    io::{self, Read},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};
use boxlite_spec::{EngineProbe, ProbeReport, VmmKind};
use serde::{Deserialize, Serialize};

use crate::{
    options::runtime_options::EngineChoice,
    shim::{
        assets::{Asset, Assets},
        environment,
        process::ShimProcess,
    },
};

/// How long the probe may take: it opens `/dev/kvm` and runs QEMU twice.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of its output that are read.
const MOST_OUTPUT: u64 = 1 << 20;

/// The engine that boxes of a runtime run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Engine {
    pub(crate) kind: VmmKind,
    pub(crate) accelerated: bool,
}

/// How much is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The best engine is enough.
    First,
    /// Every engine, for the doctor and for an engine that the user names.
    All,
}

/// Runs the shim's probe. Blocking.
///
/// # Errors
/// `PART_MISSING` if the shim is missing or can't be executed.
pub(crate) fn probe(assets: &Assets, depth: Depth) -> BoxliteResult<ProbeReport> {
    let shim = assets.find(Asset::Shim)?;
    let mut command = Command::new(&shim);
    command.arg("probe").stdin(Stdio::null());
    if depth == Depth::All {
        command.arg("--all");
    }
    let failed = |what: String| {
        BoxliteError::new(ErrorCode::PartMissing, format!("run shim `{}`: {what}", shim.display()))
            .hint(text!["reinstall ", Term::Package, "; the shim needs glibc 2.34 or newer"])
    };
    let Ended { status, stdout, stderr } = run(environment::reduce(&mut command))
        .map_err(|error| failed("it can't be executed".to_owned()).caused_by(error))?;
    if let Some(status) = status.filter(|status| !status.success()) {
        let said = String::from_utf8_lossy(&stderr);
        return Err(failed(format!("{status}: {}", said.trim())).caused_by_text(&said));
    }
    serde_json::from_slice(&stdout)
        .map_err(|error| failed("its answer can't be read".to_owned()).caused_by(error))
}

/// How a process ended.
struct Ended {
    /// `None` if this program ignores SIGCHLD, so that its children can't be waited for.
    status: Option<ExitStatus>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Runs `command`, which writes little, and kills it when it takes too long.
fn run(command: &mut Command) -> io::Result<Ended> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let status = match ShimProcess::of(child.id()) {
        Ok(process) => {
            if !process.ended_in(PROBE_TIMEOUT)? {
                process.kill();
                process.ended_in(Duration::from_secs(1))?;
                process.reap();
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("it did not answer within {} s", PROBE_TIMEOUT.as_secs()),
                ));
            }
            process.reap()
        }
        // It has ended, and was released by the kernel.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // Without pidfds there are no boxes, but the doctor shall say so.
        Err(_) => Some(child.wait()?),
    };
    let read = |stream: Option<&mut dyn Read>| {
        let mut said = Vec::new();
        stream.map_or(Ok(0), |stream| stream.take(MOST_OUTPUT).read_to_end(&mut said)).map(|_| said)
    };
    let stdout = read(child.stdout.as_mut().map(|stream| stream as &mut dyn Read))?;
    let stderr = read(child.stderr.as_mut().map(|stream| stream as &mut dyn Read))?;
    Ok(Ended { status, stdout, stderr })
}

/// Settles on an engine, or says why none will do.
pub(crate) fn choose(choice: EngineChoice, assets: &Assets) -> BoxliteResult<Engine> {
    let depth = if choice == EngineChoice::Auto { Depth::First } else { Depth::All };
    settle(choice, &probe(assets, depth)?)
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
    let remedy = if choice == EngineChoice::Auto { remedies.last() } else { remedies.first() };
    Err(error.maybe_hint(remedy).caused_by_text(&why))
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
        assert_eq!(error.hint_text(), Some(&"install krun".into()));
    }

    #[test]
    fn an_engine_that_the_hosts_limits_keep_from_running_is_not_missing() {
        let mut qemu = engine(VmmKind::Qemu, false);
        qemu.problems[0].message =
            "run /usr/bin/qemu-system-x86_64 -version: Resource temporarily unavailable (os error 11)".into();
        let report = ProbeReport { engines: vec![engine(VmmKind::Krun, false), qemu] };
        let error = settle(EngineChoice::Auto, &report).unwrap_err();
        assert_eq!(error.code(), ErrorCode::HostLimit);
        assert!(error.hint_text().unwrap().to_string().contains("ulimit -u"));
    }

    #[test]
    fn without_an_engine_the_hint_is_the_remedy_that_needs_no_hardware() {
        let report =
            ProbeReport { engines: vec![engine(VmmKind::Krun, false), engine(VmmKind::Qemu, false)] };
        let error = settle(EngineChoice::Auto, &report).unwrap_err();
        assert_eq!(error.hint_text(), Some(&"install qemu".into()));
    }
}
