//! Makes a QEMU machine from a spec and enters it: one process, one serial port, one relay. Called by the shim through
//! `Vmm`.

use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{fs::PermissionsExt, net::UnixListener as StdListener, net::UnixStream as StdStream},
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
    child,
    cmdline::Clock,
    probe,
    relay::{self, Ears},
    tsc,
};
use crate::{
    Error, Result, Terminator, Vmm, VmmInstance, clock, console::Console, error::Context as _,
    host::ThisHost, journal::Journal, memory::is_small, parts, socket, vmm::Machine,
};

/// virtio-mmio slots of a microvm without ACPI (QEMU, hw/i386/microvm.c), less those of entropy, balloon and serial.
const DISKS_MAX: usize = 8 - 3;

/// How long QEMU may live on after its serial port was closed or broken.
const AFTERLIFE: Duration = Duration::from_secs(1);

/// QEMU as a [`Vmm`].
pub(crate) struct Qemu;

impl Vmm for Qemu {
    fn create(&mut self, spec: InstanceSpec) -> Result<VmmInstance> {
        parts::check(&spec, DISKS_MAX)?;
        let program = probe::find(&ThisHost, spec.qemu.as_deref()).map_err(unavailable)?;
        let listener = listen(&spec)?;
        let (console, console_input) = Console::open(&spec.console)?;
        let journal = spec.journal.as_ref().map(Journal::open).transpose()?;
        spec.transport.clock.as_deref().map(clock::serve).transpose()?;
        let terminator = Terminator::new(&spec, console, journal);
        let machine = QemuMachine { spec, program, listener, console_input, terminator: terminator.clone() };
        Ok(VmmInstance::new(machine, terminator))
    }
}

fn listen(spec: &InstanceSpec) -> Result<StdListener> {
    let portal = &spec.transport.portal;
    socket::clear(portal)?;
    let name = socket::name(portal);
    let bind = || -> io::Result<StdListener> {
        let listener = StdListener::bind(&name)?;
        std::fs::set_permissions(&name, PermissionsExt::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().context(ShimExit::Resource, "listen on", portal.display())
}

struct QemuMachine {
    spec: InstanceSpec,
    program: PathBuf,
    listener: StdListener,
    console_input: OwnedFd,
    terminator: Terminator,
}

impl Machine for QemuMachine {
    fn enter(self: Box<Self>) -> Result<()> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context(ShimExit::Resource, "start the relay", "of the portal")?
            .block_on(self.run())
    }
}

impl QemuMachine {
    async fn run(self) -> Result<()> {
        let (serial, mut child) = self.spawn()?;
        self.terminator.set_child(Some(child::pidfd(&child).context(
            ShimExit::Resource,
            "watch",
            self.program.display(),
        )?));
        let words = child.stderr.take().map(|stderr| tokio::spawn(child::last_words(stderr)));
        let ended = self.relay_until_end(serial, &mut child).await;
        self.terminator.set_child(None);
        let words = match words {
            Some(words) => words.await.unwrap_or_default(),
            None => String::new(),
        };
        self.judge(ended?, &words)
    }

    /// Starts QEMU; what it inherits is closed here, so that its end is seen.
    fn spawn(&self) -> Result<(UnixStream, Child)> {
        let pair = || -> io::Result<(UnixStream, StdStream)> {
            let (ours, qemus) = StdStream::pair()?;
            ours.set_nonblocking(true)?;
            Ok((UnixStream::from_std(ours)?, qemus))
        };
        let (ours, qemus) =
            pair().context(ShimExit::Resource, "make a socket pair", "for the serial port")?;
        let inherited = Inherited { serial: qemus.as_raw_fd(), console: self.console_input.as_raw_fd() };
        let accelerator = Accelerator::choose(&ThisHost, &self.program, self.spec.cpus);
        let arguments = arguments(&self.spec, accelerator, guest_clock(accelerator), &inherited);
        if is_small(self.spec.memory_mib) {
            // QEMU inherits it. A host that can't do that only gives more memory than it need.
            let _ = prctl::set_thp_disable(true);
        }
        let child = child::spawn(&self.program, &arguments, &[qemus.as_fd(), self.console_input.as_fd()])
            .context(ShimExit::EngineUnavailable, "start", self.program.display())?;
        Ok((ours, child))
    }

    /// Carries connections for as long as QEMU lives. A guest that breaks the serial port's protocol ends its box:
    /// nobody could reach it any more.
    async fn relay_until_end(&self, serial: UnixStream, child: &mut Child) -> Result<ExitStatus> {
        let wait = "wait for";
        let what = self.program.display();
        let listener = self.listener.try_clone().and_then(UnixListener::from_std);
        let listener =
            listener.context(ShimExit::Resource, "listen on", self.spec.transport.portal.display())?;
        let broken = tokio::select! {
            status = child.wait() => return status.context(ShimExit::Engine, wait, what),
            broken = relay::run(serial, listener, self.ears()) => broken,
        };
        if let Ok(status) = timeout(AFTERLIFE, child.wait()).await {
            return status.context(ShimExit::Engine, wait, what);
        }
        child.kill().await.context(ShimExit::Engine, "kill", self.program.display())?;
        Err(broken).context(ShimExit::Engine, "relay", "the portal over the serial port")
    }

    /// Where streams of the guest go.
    fn ears(&self) -> Ears {
        let journal = self.spec.journal.as_ref().map(|journal| socket::name(&journal.socket));
        let clock = self.spec.transport.clock.as_deref().map(socket::name);
        Ears { ready: socket::name(&self.spec.transport.ready), journal, clock }
    }

    /// What QEMU's end means.
    fn judge(&self, status: ExitStatus, words: &str) -> Result<()> {
        if status.success() {
            return Ok(());
        }
        let report = probe::probe(&ThisHost, Some(&self.program));
        if let (false, Some(problem)) = (report.usable, report.problems.into_iter().next()) {
            return Err(unavailable(problem));
        }
        let error = Error::new(ShimExit::Engine, format!("run QEMU: {status}"));
        Err(if words.is_empty() { error } else { error.with_source(words.replace('\n', "; ")) })
    }
}

/// What will tell time in the guest. Takes 20 ms where there is no KVM.
fn guest_clock(accelerator: Accelerator) -> Clock {
    match accelerator {
        Accelerator::Kvm => Clock::Kvm,
        Accelerator::Emulation(_) => tsc::khz().map_or(Clock::Unknown, |tsc_khz| Clock::Emulated { tsc_khz }),
    }
}

fn unavailable(problem: EngineProblem) -> Error {
    Error::new(ShimExit::EngineUnavailable, problem.message).with_hint(problem.remedy)
}
