//! Rung 1 of the tests: the real portal and `Execution`, joined to a guest by `tokio::io::duplex`, with no machine
//! between. `real` joins the agent's own services, with processes of this machine, and `property` pushes random data through
//! them; `cuts` has a connection that breaks again and again; `handles` has several of one execution; `hostile` and `hostile_files` join guests that lie; `supervisor` does both for what a guest tells on its own.

mod cuts;
mod handles;
mod hostile;
mod hostile_files;
mod property;
mod real;
mod supervisor;

use std::{future::ready, path::Path, sync::Arc};

use boxlite_error::BoxliteResult;
use boxlite_portal::{Connection, ExecOptions, GuestSession};
use boxlite_spec::{InstanceSpec, SPEC_VERSION, TransportSpec, VmmKind};
use tokio::io::DuplexStream;

use crate::{
    events::watcher::GuestWatcher,
    litebox::{executions::execution::Execution, lifecycle::machine::Machine},
    pipeline::timings::Timings,
    shim::{controller::ShimController, engine::Engine},
    state::record::MachineRecord,
};

/// A machine whose guest answers on `io`. Its shim is a real process that lives while its standard input is open.
fn machine(io: DuplexStream) -> Arc<Machine> {
    let mut io = Some(io);
    machine_over(move || io.take().ok_or_else(|| std::io::Error::other("the one connection is used up")))
}

/// A machine to which `connect` makes the connections.
fn machine_over(mut connect: impl FnMut() -> std::io::Result<DuplexStream> + Send + 'static) -> Arc<Machine> {
    let connection = Connection::over(move || ready(connect()));
    let nowhere = || "/nowhere".into();
    let spec = InstanceSpec {
        version: SPEC_VERSION,
        box_id: "test".into(),
        engine: VmmKind::Qemu,
        cpus: 1,
        memory_mib: 128,
        kernel: nowhere(),
        initramfs: nowhere(),
        disks: vec![],
        transport: TransportSpec { portal: nowhere(), ready: nowhere(), clock: None, dial: None },
        console: nowhere(),
        lock: nowhere(),
        attached: true,
        journal: None,
        network: None,
        publish: Vec::new(),
        control: None,
        counters: None,
        deadline_ms: 0,
        qemu: None,
    };
    let log = tempfile::NamedTempFile::new().unwrap();
    let shim = ShimController::spawn(Path::new("/bin/cat"), &spec, Path::new("/"), log.path()).unwrap();
    let engine = Engine { kind: VmmKind::Qemu, accelerated: false };
    let session = GuestSession::new(connection.unwrap());
    let record = MachineRecord {
        shim: shim.identity(),
        engine,
        started_at_ms: 0,
        timings: Timings::default(),
        size: None,
    };
    let watcher = GuestWatcher::new("b", &Arc::default());
    let handle = tokio::runtime::Handle::current();
    Arc::new(Machine { shim, session, record, watcher, network: None, handle })
}

/// What `LiteBox::spawn` does once there is a machine.
async fn spawn(machine: &Arc<Machine>, options: ExecOptions) -> BoxliteResult<Execution> {
    let id = crate::state::id::random()?;
    let (pid, output) = machine.session.execution().exec(&id, &options, false).await?;
    let ExecOptions { stdin, timeout_ms, .. } = options;
    Ok(Execution::new(Arc::clone(machine), Arc::default(), id, pid, output, stdin, timeout_ms))
}
