//! Creates a QEMU machine from a spec and enters it: one process, one serial port, one relay. Called by the shim through
//! `Vmm`.

use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::{UnixListener as StdListener, UnixStream as StdStream},
    },
    path::PathBuf,
    process::ExitStatus,
    time::Duration,
};

use boxlite_spec::{EngineProblem, InstanceSpec, ShimExit};
use nix::sys::prctl;
use tokio::{
    net::{UnixListener, UnixStream},
    process::Child,
    time::timeout,
};

use super::{
    accelerator::Accelerator,
    arguments::{Inherited, arguments},
    child, probe, tsc,
};
use crate::{
    error::{Context as _, Error, Result},
    host::ThisHost,
    huge_pages::is_small,
    network_device::NetworkDevice,
    relay::{self, DIAL_MAX, GuestSockets, Inbound, PORTAL_MAX},
    socket, spec_check,
    terminator::Terminator,
    vmm::{Vmm, VmmInstance},
};

/// virtio-mmio slots of a microvm without ACPI (QEMU, hw/i386/microvm.c), less those of entropy, balloon and serial. A network device
/// takes another one.
const DISKS_MAX: usize = 8 - 3;

/// How long to wait for QEMU's exit after its serial port was closed or broken.
const EXIT_GRACE: Duration = Duration::from_secs(1);

/// QEMU as a [`Vmm`].
pub(crate) struct Qemu;

impl Vmm for Qemu {
    fn create(&mut self, spec: InstanceSpec, network: Option<NetworkDevice>) -> Result<VmmInstance> {
        spec_check::check(&spec, DISKS_MAX - usize::from(network.is_some()))?;
        let program = probe::find(&ThisHost, spec.qemu.as_deref()).map_err(unavailable)?;
        let portal = socket::listen(&spec.transport.portal)?;
        let dial = spec.transport.dial.as_deref().map(socket::listen).transpose()?;
        let (terminator, console_input) = Terminator::open(&spec)?;
        let machine = QemuMachine {
            spec,
            program,
            portal,
            dial,
            network,
            console_input,
            terminator: terminator.clone(),
        };
        Ok(VmmInstance::new(move || machine.enter(), terminator))
    }
}

struct QemuMachine {
    spec: InstanceSpec,
    program: PathBuf,
    portal: StdListener,
    dial: Option<StdListener>,
    network: Option<NetworkDevice>,
    console_input: OwnedFd,
    terminator: Terminator,
}

impl QemuMachine {
    fn enter(self) -> Result<()> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context(ShimExit::Resource, "start the relay", "of the portal")?
            .block_on(self.run())
    }

    async fn run(mut self) -> Result<()> {
        let (serial, mut child) = self.spawn()?;
        let pidfd = child::pidfd(&child).context(ShimExit::Resource, "watch", self.program.display())?;
        self.terminator.set_child(Some(pidfd));
        let stderr = child.stderr.take().map(|stderr| tokio::spawn(child::tail(stderr)));
        let ended = self.relay_until_end(serial, &mut child).await;
        self.terminator.set_child(None);
        let stderr = match stderr {
            Some(tail) => tail.await.unwrap_or_default(),
            None => String::new(),
        };
        self.explain(ended?, &stderr)
    }

    /// Starts QEMU. Our copies of the sockets that it inherits are closed here, so that serial port and link end with QEMU.
    fn spawn(&mut self) -> Result<(UnixStream, Child)> {
        let pair = || -> io::Result<(UnixStream, StdStream)> {
            let (ours, qemus) = StdStream::pair()?;
            ours.set_nonblocking(true)?;
            Ok((UnixStream::from_std(ours)?, qemus))
        };
        let pair = pair().context(ShimExit::Resource, "make a socket pair", "for the serial port");
        let (ours, qemus) = pair?;
        let network = self.network.take();
        let inherited = Inherited {
            serial: qemus.as_raw_fd(),
            console: self.console_input.as_raw_fd(),
            link: network.as_ref().map(|device| (device.socket.as_raw_fd(), device.mac)),
        };
        let accelerator = Accelerator::choose(&ThisHost, &self.program, self.spec.cpus);
        let arguments = arguments(&self.spec, accelerator, guest_tsc(accelerator), &inherited);
        if is_small(self.spec.memory_mib) {
            // QEMU inherits this setting. Where it fails, the box only takes more memory.
            let _ = prctl::set_thp_disable(true);
        }
        let console = self.console_input.as_fd();
        let descriptors: Vec<_> = [qemus.as_fd(), console]
            .into_iter()
            .chain(network.as_ref().map(|device| device.socket.as_fd()))
            .collect();
        let child = child::spawn(&self.program, &arguments, &descriptors).context(
            ShimExit::EngineUnavailable,
            "start",
            self.program.display(),
        )?;
        Ok((ours, child))
    }

    /// Relays connections until QEMU exits. A guest that breaks the serial port's protocol ends its machine, which could not be reached
    /// any more.
    async fn relay_until_end(&self, serial: UnixStream, child: &mut Child) -> Result<ExitStatus> {
        let wait = "wait for";
        let what = self.program.display();
        let mut inbound = Vec::with_capacity(2);
        for (listener, most) in [(Some(&self.portal), PORTAL_MAX), (self.dial.as_ref(), DIAL_MAX)] {
            let Some(listener) = listener else { continue };
            let listener = listener.try_clone().and_then(UnixListener::from_std);
            let listener = listener.context(ShimExit::Resource, "listen for", "the relay")?;
            inbound.push(Inbound::new(listener, most));
        }
        let broken = tokio::select! {
            status = child.wait() => return status.context(ShimExit::Engine, wait, what),
            broken = relay::run(serial, &mut inbound, Some(self.guest_sockets())) => broken,
        };
        if let Ok(status) = timeout(EXIT_GRACE, child.wait()).await {
            return status.context(ShimExit::Engine, wait, what);
        }
        child.kill().await.context(ShimExit::Engine, "kill", self.program.display())?;
        Err(broken).context(ShimExit::Engine, "relay", "the portal over the serial port")
    }

    /// Returns the sockets to which streams of the guest are connected.
    fn guest_sockets(&self) -> GuestSockets {
        let journal = self.spec.journal.as_ref().map(|journal| socket::name(&journal.socket));
        let clock = self.spec.transport.clock.as_deref().map(socket::name);
        GuestSockets { ready: socket::name(&self.spec.transport.ready), journal, clock }
    }

    /// Converts QEMU's exit status. Explains a failure by what keeps QEMU from running here, or else by its standard error.
    fn explain(&self, status: ExitStatus, stderr: &str) -> Result<()> {
        if status.success() {
            return Ok(());
        }
        let report = probe::probe(&ThisHost, Some(&self.program));
        if let (false, Some(problem)) = (report.usable, report.problems.into_iter().next()) {
            return Err(unavailable(problem));
        }
        let error = Error::new(ShimExit::Engine, format!("run QEMU: {status}"));
        Err(if stderr.is_empty() { error } else { error.with_source(stderr.replace('\n', "; ")) })
    }
}

/// Returns the frequency of the guest's TSC if it is emulated and known. Takes 20 ms where there is no KVM.
fn guest_tsc(accelerator: Accelerator) -> Option<u64> {
    if accelerator == Accelerator::Kvm { None } else { tsc::khz() }
}

fn unavailable(problem: EngineProblem) -> Error {
    Error::new(ShimExit::EngineUnavailable, problem.message).with_hint(problem.remedy)
}
