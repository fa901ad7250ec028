//! `boxlite-shim`: the process that becomes a box.
//!
//! The runtime starts one for each box and writes an `InstanceSpec` to its standard input, which stays open as the
//! box's lifeline, if the box is attached. The shim settles (`process`), takes the box's identity (`lock`), lets a VMM
//! prepare the machine and enters it (`machine`). When the machine ends, its exit status is a `ShimExit` and the last
//! line of standard error a `ShimReport` (`report`).
//!
//! `boxlite-shim probe [--all]` prints what this machine can run as a `ProbeReport`.

mod lifeline;
mod lock;
mod machine;
mod paper;
mod process;
mod report;

use std::{env, io::Write as _, process::ExitCode};

use boxlite_vmm::{ProbeScope, probe};

/// Exit status of a command line that nobody writes by intent (sysexits.h).
const USAGE: u8 = 2;

fn main() -> ExitCode {
    report::catch_panics();
    process::heed_children();
    let arguments: Vec<String> =
        env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let end = machine::run().err().unwrap_or_else(report::powered_off);
            ExitCode::from(report::write(&end))
        }
        ["probe"] => print_probe(ProbeScope::First),
        ["probe", "--all"] => print_probe(ProbeScope::All),
        ["--version"] => print(concat!("boxlite-shim ", env!("CARGO_PKG_VERSION"))),
        _ => {
            let _ = writeln!(std::io::stderr(), "usage: boxlite-shim [probe [--all] | --version]");
            ExitCode::from(USAGE)
        }
    }
}

fn print_probe(scope: ProbeScope) -> ExitCode {
    match serde_json::to_string(&probe(scope)) {
        Ok(line) => print(&line),
        Err(_) => ExitCode::FAILURE,
    }
}

fn print(line: &str) -> ExitCode {
    if writeln!(std::io::stdout(), "{line}").is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
