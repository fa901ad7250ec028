//! Creates a libkrun machine from a spec and enters it. Called by the shim through `Vmm`.

use std::{
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
    sync::mpsc,
    thread,
};

use boxlite_spec::{InstanceSpec, ShimExit};
use boxlite_wire::port::{CLOCK_PORT, DIAL_PORT, GRPC, JOURNAL_PORT, READY_PORT};
use nix::errno::Errno;

use super::{
    cmdline::guest_cmdline,
    context::Context,
    dial,
    exit::{self, Ended},
    log::Log,
    memory,
};
use crate::{
    error::{Context as _, Error, Result},
    host::ThisHost,
    huge_pages::is_small,
    kvm,
    network_device::NetworkDevice,
    socket, spec_check,
    terminator::Terminator,
    vmm::{Vmm, VmmInstance},
};

/// Interrupt lines 5 to 15 (`IRQ_BASE`, `IRQ_MAX` of krun-arch), less those of balloon, entropy, console and vsock.
/// `krun_split_irqchip` adds none in libkrun 1.19. A network device takes another one.
const DISKS_MAX: usize = 11 - 4;

/// The size of a huge page. Guest memory is a multiple of it: libkrun maps the memory below its thread's heap, which glibc aligns to
/// 64 MiB, so memory of an odd size would not be aligned to huge pages. KVM could then map none, and a start takes 15 % longer.
const HUGE_PAGE_MIB: u32 = 2;

/// libkrun as a [`Vmm`].
pub(crate) struct Krun;

impl Vmm for Krun {
    fn create(&mut self, spec: InstanceSpec, network: Option<NetworkDevice>) -> Result<VmmInstance> {
        spec_check::check(&spec, DISKS_MAX - usize::from(network.is_some()))?;
        socket::clear(&spec.transport.portal)?;
        let (terminator, console_input) = Terminator::open(&spec)?;
        let log = Log::open()?;
        let context = configure(&spec, network, &console_input)?;
        Ok(VmmInstance::new(move || enter(context, memory_mib(&spec), log, &console_input), terminator))
    }
}

/// Returns the memory of the machine, rounded up to whole huge pages.
fn memory_mib(spec: &InstanceSpec) -> u32 {
    spec.memory_mib.next_multiple_of(HUGE_PAGE_MIB)
}

fn configure(spec: &InstanceSpec, network: Option<NetworkDevice>, console: &OwnedFd) -> Result<Context> {
    let context = Context::new()?;
    context.set_vm_config(spec.cpus, memory_mib(spec))?;
    context.set_kernel(&spec.kernel, &spec.initramfs, &guest_cmdline())?;
    for disk in &spec.disks {
        context.add_disk(disk)?;
    }
    if let Some(device) = network {
        context.add_network_device(device)?;
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
    if let Some(dial) = &spec.transport.dial {
        context.add_vsock_port(DIAL_PORT, &dial::serve(dial)?, true)?;
    }
    // libkrun takes a path, not a descriptor; this path opens our pipe.
    context.set_console_output(&PathBuf::from(format!("/proc/self/fd/{}", console.as_raw_fd())))?;
    Ok(context)
}

/// Runs the machine. libkrun opens the console's pipe through `_console_input` when it starts.
fn enter(context: Context, memory_mib: u32, mut log: Log, _console_input: &OwnedFd) -> Result<()> {
    let failed = match run(context, memory_mib)? {
        // FC_EXIT_CODE_OK of krun-vmm: the guest was reset, through the keyboard controller or by a triple fault.
        Ok(0) => return Ok(()),
        Ok(status) => format!("run machine: libkrun ended with {status}"),
        Err(errno) => format!("start machine: {errno}"),
    };
    let mut failed = Error::new(ShimExit::Engine, failed);
    if let Some(message) = log.last_message() {
        failed = failed.with_source(message);
    }
    Err(match kvm::problem(&ThisHost) {
        Some(problem) => Error::new(ShimExit::EngineUnavailable, problem.message)
            .with_source(failed)
            .with_hint(problem.remedy),
        None => failed,
    })
}

/// Runs libkrun on a thread of its own, since it renames its thread and does not return from it. Returns the status with which libkrun
/// ended, or why the machine could not be started.
fn run(context: Context, memory_mib: u32) -> Result<Ended> {
    let (ended, end) = mpsc::channel();
    let machine = move || {
        exit::capture(ended.clone());
        if is_small(memory_mib) {
            memory::expect(memory_mib);
        }
        // This returns only if the machine could not be started.
        let _ = ended.send(Err(context.start_enter()));
    };
    let thread = thread::Builder::new().name("krun".into()).spawn(machine);
    thread.context(ShimExit::Resource, "start a thread", "for the machine")?;
    Ok(end.recv().unwrap_or(Err(Errno::UnknownErrno)))
}
