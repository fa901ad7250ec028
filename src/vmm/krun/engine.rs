//! Makes a libkrun machine from a spec and enters it. Called by the shim through `Vmm`.

use std::{
    ffi::c_int,
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
    sync::mpsc,
    thread,
};

use boxlite_spec::{InstanceSpec, ShimExit};
use nix::errno::Errno;

use super::{cmdline::guest_cmdline, context::Context, exit, kvm_problem, log::Log, memory};
use crate::{
    Error, Result, Terminator, Vmm, VmmInstance, clock, console::Console, error::Context as _,
    host::ThisHost, journal::Journal, memory::is_small, parts, socket, vmm::Machine,
};
use boxlite_wire::port::{CLOCK_PORT, GRPC, JOURNAL_PORT, READY_PORT};

/// Interrupt lines 5 to 15 (`IRQ_BASE`, `IRQ_MAX` of krun-arch), less those of balloon, entropy, console and vsock.
/// `krun_split_irqchip` adds none in libkrun 1.19.
const DISKS_MAX: usize = 11 - 4;

/// Guest memory in whole huge pages. libkrun maps it below the heap of its thread, which glibc aligns to 64 MiB; an odd
/// size would shift it, and KVM could map no huge page: a start takes 15 % longer.
const HUGE_PAGE_MIB: u32 = 2;

/// libkrun as a [`Vmm`].
pub(crate) struct Krun;

impl Vmm for Krun {
    fn create(&mut self, spec: InstanceSpec) -> Result<VmmInstance> {
        parts::check(&spec, DISKS_MAX)?;
        socket::clear(&spec.transport.portal)?;
        let (console, console_input) = Console::open(&spec.console)?;
        let journal = spec.journal.as_ref().map(Journal::open).transpose()?;
        spec.transport.clock.as_deref().map(clock::serve).transpose()?;
        let log = Log::open()?;
        let context = configure(&spec, &console_input)?;
        let machine =
            KrunMachine { context, memory_mib: memory_mib(&spec), log, _console_input: console_input };
        Ok(VmmInstance::new(machine, Terminator::new(&spec, console, journal)))
    }
}

/// In whole huge pages.
fn memory_mib(spec: &InstanceSpec) -> u32 {
    spec.memory_mib.next_multiple_of(HUGE_PAGE_MIB)
}

fn configure(spec: &InstanceSpec, console: &OwnedFd) -> Result<Context> {
    let context = Context::new()?;
    context.set_vm_config(spec.cpus, memory_mib(spec))?;
    context.set_kernel(&spec.kernel, &spec.initramfs, &guest_cmdline())?;
    for disk in &spec.disks {
        context.add_disk(disk)?;
    }
    context.add_vsock()?;
    context.add_vsock_port(GRPC, &socket::name(&spec.transport.portal), true)?;
    context.add_vsock_port(READY_PORT, &socket::name(&spec.transport.ready), false)?;
    if let Some(clock) = &spec.transport.clock {
        context.add_vsock_port(CLOCK_PORT, &socket::name(clock), false)?;
    }
    if let Some(journal) = &spec.journal {
        context.add_vsock_port(JOURNAL_PORT, &socket::name(&journal.socket), false)?;
    }
    // libkrun wants a path; this one names our pipe.
    context.set_console_output(&PathBuf::from(format!("/proc/self/fd/{}", console.as_raw_fd())))?;
    Ok(context)
}

struct KrunMachine {
    context: Context,
    memory_mib: u32,
    log: Log,
    _console_input: OwnedFd,
}

/// How libkrun let go of its thread.
enum Ended {
    /// The machine could not be made.
    NotStarted(Errno),
    /// The machine ran and ended with a status of libkrun's.
    Exited(c_int),
}

impl Machine for KrunMachine {
    fn enter(self: Box<Self>) -> Result<()> {
        let Self { context, memory_mib, mut log, _console_input } = *self;
        let failed = match run(context, memory_mib)? {
            // FC_EXIT_CODE_OK of krun-vmm: the guest reset, through the keyboard controller or a triple fault.
            Ended::Exited(0) => return Ok(()),
            Ended::Exited(status) => {
                Error::new(ShimExit::Engine, format!("run machine: libkrun ended with {status}"))
            }
            Ended::NotStarted(errno) => Error::new(ShimExit::Engine, format!("start machine: {errno}")),
        };
        let failed = match log.last_words() {
            Some(words) => failed.with_source(words),
            None => failed,
        };
        Err(match kvm_problem(&ThisHost) {
            Some(problem) => Error::new(ShimExit::EngineUnavailable, problem.message)
                .with_source(failed)
                .with_hint(problem.remedy),
            None => failed,
        })
    }
}

/// libkrun renames the thread that it runs on and never gives it back, so it gets one of its own.
fn run(context: Context, memory_mib: u32) -> Result<Ended> {
    let (ended, end) = mpsc::channel();
    let (exited, exit) = mpsc::channel();
    let machine = move || {
        exit::capture(exited);
        if is_small(memory_mib) {
            memory::expect(memory_mib);
        }
        let _ = ended.send(context.start_enter());
    };
    thread::Builder::new().name("krun".into()).spawn(machine).context(
        ShimExit::Resource,
        "start a thread",
        "for the machine",
    )?;
    // The exit's sender goes with the thread, and so does the other: the first to be sent or dropped decides.
    match exit.recv() {
        Ok(status) => Ok(Ended::Exited(status)),
        Err(_) => Ok(Ended::NotStarted(end.recv().unwrap_or(Errno::UnknownErrno))),
    }
}
