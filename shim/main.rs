//! `boxlite-shim`: the process that runs one box.
//!
//! The runtime starts one for each box and writes an `InstanceSpec` to its standard input (`spec`), which stays open as the box's
//! lifeline if the box is attached (`lifeline`). The shim isolates its process (`process`), locks the box (`lock`), lets an engine
//! prepare the machine and enters it (`machine`). After the machine has ended, the shim's exit status is a `ShimExit` and the last
//! line of its standard error is a `ShimReport` (`report`).
//!
//! `boxlite-shim probe [--all]` prints which engines can run here, as a `ProbeReport`.

mod deadline;
mod lifeline;
mod lock;
mod machine;
mod network;
mod process;
mod report;
mod spec;

use std::{env, io::Write as _, process::ExitCode};

use boxlite_vmm::{ProbeScope, probe};

/// The exit status of a wrong command line.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    report::catch_panics();
    process::reset_sigchld();
    let arguments: Vec<String> =
        env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
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
