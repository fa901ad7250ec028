//! `NativeBox`: the handle to a box for JavaScript. `lib/box.ts` wraps it; it calls `LiteBox`.

use std::time::Duration;

use boxlite_runtime::{ExecOptions, LiteBox, shell_quote};
use futures::stream;
use napi::{Env, Result, bindgen_prelude::Object};
use napi_derive::napi;

use crate::{
    box_end::NativeBoxEnd,
    box_metrics::NativeMetricsSampler,
    collected::Collected,
    command::NativeCommand,
    environment::Environment,
    event::{NativeEvents, Wake},
    execution::NativeExecution,
    execution_info::ExecutionInfo,
    files::NativeFiles,
    info::BoxInfo,
    logs::{LogInput, NativeLogs},
    options::{CollectInput, ExecInput},
    promise::promise,
    start::NativeStart,
    update::UpdateInput,
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
    pub fn info<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let litebox = self.litebox.clone();
        promise(env, async move { litebox.info().await.map(BoxInfo::from) })
    }

    /// Returns a start of the box that can be aborted. Its guest must be ready within `boot_ms`.
    #[napi]
    pub fn start(&self, boot_ms: Option<u32>) -> NativeStart {
        NativeStart::new(self.litebox.clone(), boot_ms.map(|ms| Duration::from_millis(ms.into())))
    }

    /// Stops the box. Processes that still run after `timeout_ms` are killed.
    #[napi]
    pub fn stop<'env>(&self, env: &'env Env, timeout_ms: Option<u32>) -> Result<Object<'env>> {
        let litebox = self.litebox.clone();
        let timeout = timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        promise(env, async move { litebox.stop(timeout).await })
    }

    /// Stops the box and starts it again.
    #[napi]
    pub fn restart<'env>(&self, env: &'env Env, timeout_ms: Option<u32>) -> Result<Object<'env>> {
        let litebox = self.litebox.clone();
        let timeout = timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        promise(env, async move { litebox.restart(timeout).await })
    }

    /// Returns a wait for the box's end that can be aborted.
    #[napi]
    pub fn end(&self) -> NativeBoxEnd {
        NativeBoxEnd::new(self.litebox.clone())
    }

    /// Stops or removes the box when the owner of a handle disposes of it.
    #[napi]
    pub fn dispose<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let litebox = self.litebox.clone();
        promise(env, async move { litebox.dispose().await })
    }

    /// Deletes the box and its disk.
    #[napi]
    pub fn remove<'env>(&self, env: &'env Env, force: bool) -> Result<Object<'env>> {
        let litebox = self.litebox.clone();
        promise(env, async move { litebox.remove(force).await })
    }

    /// The box's files.
    #[napi]
    pub fn files(&self) -> NativeFiles {
        self.litebox.files().into()
    }

    /// Starts a process in the box.
    #[napi]
    pub fn spawn<'env>(&self, env: &'env Env, options: ExecInput) -> Result<Object<'env>> {
        let (litebox, environment) = (self.litebox.clone(), Environment::of(env)?);
        promise(env, async move {
            let options = ExecOptions::from(options);
            let detached = options.detached;
            let execution = litebox.spawn(options).await?;
            let owned = (!detached).then(|| environment.own(&execution));
            Ok(NativeExecution::new(execution, owned))
        })
    }

    /// Runs a process without input and collects what it writes.
    #[napi]
    pub fn exec<'env>(
        &self,
        env: &'env Env,
        options: ExecInput,
        collect: Option<CollectInput>,
    ) -> Result<Object<'env>> {
        let (litebox, environment) = (self.litebox.clone(), Environment::of(env)?);
        promise(env, async move {
            let collect = collect.map(Into::into).unwrap_or_default();
            let cancel = environment.over();
            Ok(Collected::from(litebox.exec_with(options.into(), collect, stream::empty(), cancel).await))
        })
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
    pub fn update<'env>(&self, env: &'env Env, update: UpdateInput) -> Result<Object<'env>> {
        let litebox = self.litebox.clone();
        promise(env, async move { litebox.update(update.try_into()?).await })
    }

    /// Restarts the box's idle time. Resolves with whether the box runs.
    #[napi]
    pub fn touch<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let litebox = self.litebox.clone();
        promise(env, async move { litebox.touch().await })
    }

    /// Makes a series of samples of the box's figures.
    #[napi]
    pub fn metrics_sampler(&self) -> NativeMetricsSampler {
        self.litebox.metrics_sampler().into()
    }

    /// The box's logs.
    #[napi]
    pub fn logs<'env>(&self, env: &'env Env, options: LogInput) -> Result<Object<'env>> {
        let litebox = self.litebox.clone();
        promise(env, async move { litebox.logs(options.into()).await.map(NativeLogs::from) })
    }

    /// Returns a reader of the box's later events.
    #[napi]
    pub fn events<'env>(&self, env: &'env Env, wake: Wake) -> Result<Object<'env>> {
        let litebox = self.litebox.clone();
        promise(env, async move { Ok(NativeEvents::start(litebox.events(), wake)) })
    }

    /// The executions that run in the box.
    #[napi]
    pub fn executions<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let litebox = self.litebox.clone();
        promise(env, async move {
            Ok(litebox.executions().await?.into_iter().map(ExecutionInfo::from).collect::<Vec<_>>())
        })
    }

    /// Finds an execution that runs.
    #[napi]
    pub fn execution<'env>(&self, env: &'env Env, id: String) -> Result<Object<'env>> {
        let litebox = self.litebox.clone();
        promise(env, async move {
            litebox.execution(&id).await.map(|execution| NativeExecution::new(execution, None))
        })
    }
}
