//! `LiteBox`: the public handle to one box. Made by `BoxliteRuntime`; every method hands its work to the rooms below, in the context of the home's tokio runtime.

use std::{future::pending, pin::pin, sync::Arc, time::Duration};

use boxlite_error::BoxliteResult;
use boxlite_portal::{ExecOptions, ExecutionInfo};
use boxlite_spec::network::{port::PublishSpec, rule::Protocol};
use bytes::Bytes;
use futures::{Stream, stream};

use crate::{
    blocking::blocking,
    events::bus::EventStream,
    home::unreadable,
    in_context::in_context,
    litebox::{
        core::{BoxCore, accept_removal},
        executions::{
            collect::{CollectOptions, Collected, ExecFailure},
            execution::Execution,
        },
        files::verbs::Files,
        lifecycle::{end::BoxEnd, update::BoxUpdate},
        network::connection::PortConnection,
        observation::{
            info::BoxInfo,
            logs::{LogOptions, LogReader},
            metrics::{BoxMetrics, MetricsSampler},
        },
    },
    state::config::ConfigFile,
};

/// How long processes have between SIGTERM and SIGKILL, unless the caller says otherwise.
const GRACE: Duration = Duration::from_secs(10);

/// A handle to one box. Clones share it. It stays valid when the box stops; once the box was removed, calls fail with `BOX_REMOVED`.
///
/// Any call can fail with `RUNTIME_CLOSED` once the runtime was closed, with `BOX_REMOVED` once the box was removed, and with
/// `STORAGE_IO` or `STORAGE_CORRUPT` if its files can't be read or written; each method lists what else it fails with.
#[derive(Debug, Clone)]
pub struct LiteBox {
    core: Arc<BoxCore>,
}

impl LiteBox {
    pub(crate) fn new(core: Arc<BoxCore>) -> Self {
        Self { core }
    }

    /// Returns `work`, ready to be awaited on any executor.
    fn enter<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        in_context(&self.core.home.handle, work)
    }

    /// The box's id: 12 lower-case letters and digits.
    pub fn id(&self) -> &str {
        self.core.id()
    }

    /// The box's name, if it has one.
    pub fn name(&self) -> Option<String> {
        self.core.config().options.name
    }

    /// The box's image as its creator named it.
    pub fn image(&self) -> String {
        self.core.config().options.image
    }

    /// Whether the box lives on without the process that started it.
    pub fn detached(&self) -> bool {
        self.core.config().options.detached
    }

    /// A snapshot of the box, whichever process runs it.
    ///
    /// # Errors
    /// See [`LiteBox`].
    pub async fn info(&self) -> BoxliteResult<BoxInfo> {
        let core = Arc::clone(&self.core);
        self.enter(blocking("look at a box", move || core.info())).await
    }

    /// Starts the machine if it does not run. Callers that come meanwhile wait for the same start; when the last of them drops
    /// its future, the start is given up. `boot` is how long the guest may take from its power-on, if this call is the one that
    /// starts it; by default what the box, the runtime or the engine says.
    ///
    /// # Errors
    /// Whatever a stage of the start fails with, which [`stage`](boxlite_error::BoxliteError::stage) names: pulling the image, making
    /// the disk, spawning the engine, or `GUEST_TIMEOUT` and `GUEST_FAILED`. `BOX_BUSY` if another process keeps changing the box;
    /// `BOX_STATE` if the box's `ends_at_ms` is over.
    pub async fn start(&self, boot: Option<Duration>) -> BoxliteResult<()> {
        self.enter(self.core.machine(boot)).await.map(drop)
    }

    /// Stops the machine if it runs: SIGTERM to its processes, SIGKILL after `grace` (default 10 s), file systems
    /// unmounted, power off. The disk stays.
    ///
    /// # Errors
    /// `BOX_BUSY` if another process keeps changing the box; `BOX_STATE` if the machine can't be ended.
    pub async fn stop(&self, grace: Option<Duration>) -> BoxliteResult<()> {
        self.enter(self.core.stop(grace.unwrap_or(GRACE))).await
    }

    /// Stops the box if it runs, and starts it.
    ///
    /// # Errors
    /// Those of [`stop`](Self::stop) and [`start`](Self::start).
    pub async fn restart(&self, grace: Option<Duration>) -> BoxliteResult<()> {
        self.stop(grace).await?;
        self.start(None).await
    }

    /// Waits until the box does not run, whichever process ends it. A box that does not run has ended already.
    ///
    /// # Errors
    /// See [`LiteBox`].
    pub async fn wait(&self) -> BoxliteResult<BoxEnd> {
        self.enter(self.core.wait()).await
    }

    /// Changes what the box is. A start or stop under way is awaited; what runs goes on.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; `BOX_NAME_TAKEN`; `BOX_BUSY` if another process keeps changing the box. If the box runs and its guest can't
    /// be reached, that is an error too; the change then holds from the next start on.
    pub async fn update(&self, update: BoxUpdate) -> BoxliteResult<()> {
        self.enter(self.core.update(update)).await
    }

    /// Uses the box for a moment, so that its idle time begins anew. Returns `false` if it does not run; it is not started.
    ///
    /// # Errors
    /// `PORTAL_LOST` or `GUEST_TIMEOUT` if the guest of a running box does not answer.
    pub async fn touch(&self) -> BoxliteResult<bool> {
        self.enter(self.core.touch()).await
    }

    /// Removes the box and everything of it. A running one needs `force`, which kills its processes without asking them.
    ///
    /// # Errors
    /// `BOX_STATE` if the box runs and `force` is `false`, or if its machine can't be ended; `BOX_BUSY` if another process keeps
    /// changing the box, which `force` does not wait for.
    pub async fn remove(&self, force: bool) -> BoxliteResult<()> {
        let removed = self.enter(self.core.remove(force)).await;
        // The files were damaged since this handle was made.
        if removed.as_ref().is_err_and(unreadable::is_reported_by)
            && force
            && ConfigFile::read(&self.core.paths).is_err()
        {
            return self.enter(unreadable::remove(&self.core.home.layout, self.id())).await;
        }
        removed
    }

    /// What the owner of a handle leaves behind when it is done: a detached box goes on, and so does one that another
    /// process started; of the others, a box with a name is stopped and one without is removed.
    ///
    /// # Errors
    /// Those of [`stop`](Self::stop) and [`remove`](Self::remove). That the box is gone already is no error.
    pub async fn dispose(&self) -> BoxliteResult<()> {
        let elsewhere = !self.core.is_ours() && self.enter(self.core.observed_state()).await?.pid.is_some();
        if self.detached() || elsewhere {
            return Ok(());
        }
        let done = if self.name().is_some() { self.stop(None).await } else { self.remove(true).await };
        accept_removal(done)
    }

    /// Runs a command; starts the box first if needed.
    ///
    /// # Errors
    /// Those of [`start`](Self::start); `INVALID_ARGUMENT`; the reason why the command could not be executed; `PORTAL_LOST` if the
    /// machine ended meanwhile.
    pub async fn spawn(&self, options: ExecOptions) -> BoxliteResult<Execution> {
        self.enter(self.core.spawn(options)).await
    }

    /// Runs a command without input and collects what it writes.
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn), and once it runs with the output so far: `EXEC_TIMEOUT` if it was ended by its timeout,
    /// `EXEC_MAX_BUFFER` if it wrote more than `max_buffer`, `EXEC_NON_ZERO` if `check` is set and it did not exit with 0,
    /// `EXEC_OUTPUT_LOST` and `RPC`.
    pub async fn exec(
        &self,
        options: ExecOptions,
        collect: CollectOptions,
    ) -> Result<Collected, ExecFailure> {
        self.exec_with(options, collect, stream::empty(), pending()).await
    }

    /// As [`exec`](Self::exec), for a command that reads `stdin` to its end if `options.stdin` is set, and is given up when `cancel`
    /// resolves. Then the start of the box is given up too if nobody else waits for it, and what runs is killed.
    ///
    /// # Errors
    /// Those of [`exec`](Self::exec), and `ABORTED` with the output so far if `cancel` resolves before the end.
    pub async fn exec_with(
        &self,
        options: ExecOptions,
        collect: CollectOptions,
        stdin: impl Stream<Item = Bytes>,
        cancel: impl Future<Output = ()>,
    ) -> Result<Collected, ExecFailure> {
        // Pinned here: its kilobytes are not moved once more.
        self.enter(pin!(self.core.exec(options, collect, stdin, cancel))).await
    }

    /// The executions that run, the oldest first. A box that does not run has none, and is not started.
    ///
    /// # Errors
    /// `PORTAL_LOST` or `GUEST_TIMEOUT` if the guest of a running box does not answer.
    pub async fn executions(&self) -> BoxliteResult<Vec<ExecutionInfo>> {
        self.enter(self.core.executions()).await
    }

    /// Finds an execution that runs or has ended lately, by its id. Its output is read from the oldest retained bytes on,
    /// whoever else reads it.
    ///
    /// # Errors
    /// `EXEC_NOT_FOUND`; `PORTAL_LOST` or `GUEST_TIMEOUT` if the guest of a running box does not answer.
    pub async fn execution(&self, id: &str) -> BoxliteResult<Execution> {
        self.enter(self.core.execution(id)).await
    }

    /// The box's files.
    pub fn files(&self) -> Files {
        Files::new(Arc::clone(&self.core))
    }

    /// Publishes a port of the box on the host; starts the box first if needed. Connections reach what listens in the box, on its loopback
    /// too, and the box needs no network. Returns the port with the host's port that it was given. It is published until the box
    /// stops; those of the box's options are published at every start.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; those of [`start`](Self::start); `PORT_IN_USE` if the host's port is taken, and `PORT_DENIED` if the host does not
    /// allow it; `NETWORK_FAILED` if the box has too many ports.
    pub async fn publish(&self, port: PublishSpec) -> BoxliteResult<PublishSpec> {
        self.enter(self.core.publish(port)).await
    }

    /// Withdraws every publication of the port `guest` of the box, until the box stops, and closes its connections. Returns those that
    /// were withdrawn. A box that does not run has none, and is not started.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; `PORTAL_LOST` if the shim of a running box does not answer.
    pub async fn unpublish(&self, guest: u16, protocol: Protocol) -> BoxliteResult<Vec<PublishSpec>> {
        self.enter(self.core.unpublish(guest, protocol)).await
    }

    /// The ports that are published now, the oldest first. A box that does not run has none, and is not started.
    ///
    /// # Errors
    /// `PORTAL_LOST` if the shim of a running box does not answer.
    pub async fn ports(&self) -> BoxliteResult<Vec<PublishSpec>> {
        self.enter(self.core.ports()).await
    }

    /// Connects to a TCP port in the box, as from inside it: to its `127.0.0.1`, else `::1`, else its own address. Starts the box first if
    /// needed. The box needs no network. `limit` is how long the connection may take to be made; default 10 s, and 65 s at most.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; those of [`start`](Self::start); `PORT_CLOSED` if nothing listens there.
    pub async fn connect(&self, port: u16, limit: Option<Duration>) -> BoxliteResult<PortConnection> {
        self.enter(self.core.connect(port, limit)).await
    }

    /// Waits until something in the box accepts connections to a TCP port, at most for `limit` (default 60 s). Starts the box first if
    /// needed. What listens there sees connections that end at once.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect); `PORT_CLOSED` if nothing listens there in time.
    pub async fn wait_for_port(&self, port: u16, limit: Option<Duration>) -> BoxliteResult<()> {
        self.enter(self.core.wait_for_port(port, limit)).await
    }

    /// What happens to this box from now on, as far as this process has a part in it.
    pub fn events(&self) -> EventStream {
        self.core.events()
    }

    /// The logs that are there and, if they are followed, those that come until the box ends.
    ///
    /// # Errors
    /// See [`LiteBox`].
    pub async fn logs(&self, options: LogOptions) -> BoxliteResult<LogReader> {
        self.enter(self.core.logs(options)).await
    }

    /// The figures of this moment. A box that does not run is not started: less is known of it.
    ///
    /// # Errors
    /// `GUEST_TIMEOUT` and `PORTAL_LOST` if the guest of a running box does not answer.
    pub async fn metrics(&self) -> BoxliteResult<BoxMetrics> {
        self.enter(self.core.metrics(None)).await
    }

    /// Makes a sampler of the box's figures, whose samples have the CPU's use since the one before.
    pub fn metrics_sampler(&self) -> MetricsSampler {
        MetricsSampler::new(Arc::clone(&self.core))
    }
}
