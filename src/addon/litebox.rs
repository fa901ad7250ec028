//! `NativeBox`: the handle to a box for JavaScript. `lib/box.ts` wraps it; it calls `LiteBox`.

use std::time::Duration;

use boxlite_runtime::{ExecOptions, LiteBox, Protocol, PublishSpec, shell_quote};
use futures::stream;
use napi::{Env, Result};
use napi_derive::napi;

use crate::{
    answer::{Answer, answer},
    box_end::NativeBoxEnd,
    collected::Collected,
    command::NativeCommand,
    dial::NativeDial,
    environment::Environment,
    event::{NativeEvents, Wake},
    execution::NativeExecution,
    files::NativeFiles,
    logs::NativeLogs,
    metrics_sampler::NativeMetricsSampler,
    options::{CollectInput, ExecInput, box_update},
    plain::Plain,
    port_wait::NativePortWait,
    start::NativeStart,
};

/// A box, with its constant properties copied, so that getters need no lock.
#[napi]
pub struct NativeBox {
    litebox: LiteBox,
    name: Option<String>,
    image: String,
    detached: bool,
}

impl From<LiteBox> for NativeBox {
    fn from(litebox: LiteBox) -> Self {
        let (name, image, detached) = (litebox.name(), litebox.image(), litebox.detached());
        Self { litebox, name, image, detached }
    }
}

#[napi]
impl NativeBox {
    /// The box's id.
    #[napi(getter)]
    pub fn id(&self) -> String {
        self.litebox.id().to_owned()
    }

    /// Its name, if it was given one.
    #[napi(getter)]
    pub fn name(&self) -> Option<String> {
        self.name.clone()
    }

    /// The image as the user wrote it.
    #[napi(getter)]
    pub fn image(&self) -> String {
        self.image.clone()
    }

    /// Whether it outlives the process that started it.
    #[napi(getter)]
    pub fn detached(&self) -> bool {
        self.detached
    }

    /// Resolves with a snapshot of the box.
    #[napi]
    pub fn info(&self) -> Answer {
        answer(&self.litebox, async move |litebox| litebox.info().await.and_then(Plain::of))
    }

    /// Returns a start of the box that can be aborted. Its guest must be ready within `boot_ms`.
    #[napi]
    pub fn start(&self, boot_ms: Option<u32>) -> NativeStart {
        NativeStart::new(self.litebox.clone(), milliseconds(boot_ms))
    }

    /// Stops the box. Processes that still run after `timeout_ms` are killed.
    #[napi]
    pub fn stop(&self, timeout_ms: Option<u32>) -> Answer {
        let timeout = milliseconds(timeout_ms);
        answer(&self.litebox, async move |litebox| litebox.stop(timeout).await)
    }

    /// Stops the box and starts it again.
    #[napi]
    pub fn restart(&self, timeout_ms: Option<u32>) -> Answer {
        let timeout = milliseconds(timeout_ms);
        answer(&self.litebox, async move |litebox| litebox.restart(timeout).await)
    }

    /// Returns a wait for the box's end that can be aborted.
    #[napi]
    pub fn end(&self) -> NativeBoxEnd {
        NativeBoxEnd::new(self.litebox.clone())
    }

    /// Stops or removes the box when the owner of a handle disposes of it.
    #[napi]
    pub fn dispose(&self) -> Answer {
        answer(&self.litebox, async move |litebox| litebox.dispose().await)
    }

    /// Deletes the box and its disk.
    #[napi]
    pub fn remove(&self, force: bool) -> Answer {
        answer(&self.litebox, async move |litebox| litebox.remove(force).await)
    }

    /// The box's files.
    #[napi]
    pub fn files(&self) -> NativeFiles {
        self.litebox.files().into()
    }

    /// Starts a process in the box.
    #[napi]
    pub fn spawn(&self, env: Env, options: ExecInput) -> Result<Answer> {
        let environment = Environment::of(&env)?;
        Ok(answer(&self.litebox, async move |litebox| {
            let options = ExecOptions::from(options);
            let detached = options.detached;
            let execution = litebox.spawn(options).await?;
            let owned = (!detached).then(|| environment.own(&execution));
            Ok(NativeExecution::new(execution, owned))
        }))
    }

    /// Runs a process without input and collects what it writes.
    #[napi]
    pub fn exec(&self, env: Env, options: ExecInput, collect: Option<CollectInput>) -> Result<Answer> {
        let environment = Environment::of(&env)?;
        Ok(answer(&self.litebox, async move |litebox| {
            let collect = collect.map(Into::into).unwrap_or_default();
            let cancel = environment.over();
            Ok(Collected::from(litebox.exec_with(options.into(), collect, stream::empty(), cancel).await))
        }))
    }

    /// Quotes a value as one word of a shell line.
    #[napi]
    #[allow(clippy::unused_self, reason = "JavaScript calls it on a box")]
    pub fn quote(&self, word: String) -> String {
        shell_quote(&word).into_owned()
    }

    /// Returns a command like `exec`'s that takes input or can be aborted.
    #[napi]
    pub fn command(&self, options: ExecInput, collect: Option<CollectInput>) -> NativeCommand {
        let collect = collect.map(Into::into).unwrap_or_default();
        NativeCommand::new(self.litebox.clone(), options.into(), collect)
    }

    /// Changes the box. If the name changes and is missing, it is removed; other missing fields stay as they are.
    #[napi]
    pub fn update(&self, update: Plain) -> Answer {
        answer(&self.litebox, async move |litebox| litebox.update(box_update(&update)?).await)
    }

    /// Restarts the box's idle time. Resolves with whether the box runs.
    #[napi]
    pub fn touch(&self) -> Answer {
        answer(&self.litebox, async move |litebox| litebox.touch().await)
    }

    /// Makes a series of samples of the box's figures.
    #[napi]
    pub fn metrics_sampler(&self) -> NativeMetricsSampler {
        self.litebox.metrics_sampler().into()
    }

    /// The box's logs.
    #[napi]
    pub fn logs(&self, options: Plain) -> Answer {
        answer(&self.litebox, async move |litebox| litebox.logs(options.read()?).await.map(NativeLogs::from))
    }

    /// Returns a reader of the box's later events.
    #[napi]
    pub fn events(&self, wake: Wake) -> Answer {
        answer(&self.litebox, async move |litebox| Ok(NativeEvents::start(litebox.events(), wake)))
    }

    /// Publishes a port of the box on the host.
    #[napi]
    pub fn publish(&self, port: Plain) -> Answer {
        answer(&self.litebox, async move |litebox| {
            litebox.publish(port.read::<PublishSpec>()?).await.and_then(Plain::of)
        })
    }

    /// Withdraws every publication of a port, and resolves with them.
    #[napi]
    pub fn unpublish(&self, guest: u16, protocol: String) -> Answer {
        answer(&self.litebox, async move |litebox| {
            let protocol = if protocol == Protocol::Udp.as_str() { Protocol::Udp } else { Protocol::Tcp };
            litebox.unpublish(guest, protocol).await.and_then(Plain::of)
        })
    }

    /// The published ports.
    #[napi]
    pub fn ports(&self) -> Answer {
        answer(&self.litebox, async move |litebox| litebox.ports().await.and_then(Plain::of))
    }

    /// Returns a connection to a port of the box that is made when it is awaited.
    #[napi]
    pub fn connect(&self, port: u16, timeout_ms: Option<u32>) -> NativeDial {
        NativeDial::new(self.litebox.clone(), port, milliseconds(timeout_ms))
    }

    /// Returns a wait for something to listen on a port of the box.
    #[napi]
    pub fn wait_for_port(&self, port: u16, timeout_ms: Option<u32>) -> NativePortWait {
        NativePortWait::new(self.litebox.clone(), port, milliseconds(timeout_ms))
    }

    /// The executions that run in the box.
    #[napi]
    pub fn executions(&self) -> Answer {
        answer(&self.litebox, async move |litebox| litebox.executions().await.and_then(Plain::of))
    }

    /// Finds an execution that runs.
    #[napi]
    pub fn execution(&self, id: String) -> Answer {
        answer(&self.litebox, async move |litebox| {
            litebox.execution(&id).await.map(|execution| NativeExecution::new(execution, None))
        })
    }
}

fn milliseconds(ms: Option<u32>) -> Option<Duration> {
    ms.map(|ms| Duration::from_millis(ms.into()))
}
