//! `NativeRuntime`: one open home; its images are in `image_cache.rs`. Wrapped by `lib/runtime.ts`, calls
//! `BoxliteRuntime`.

use std::{sync::Arc, time::Duration};

use boxlite_runtime::{BoxliteRuntime, logging};
use napi::{Env, Result, bindgen_prelude::Object};
use napi_derive::napi;

use crate::{
    event::{NativeEvents, Wake},
    filter::FilterInput,
    info::BoxInfo,
    litebox::NativeBox,
    metrics::RuntimeMetrics,
    options::{BoxInput, RuntimeInput},
    promise::promise,
};

/// An open home.
#[napi]
pub struct NativeRuntime(Arc<BoxliteRuntime>);

impl NativeRuntime {
    pub(crate) fn inner(&self) -> &Arc<BoxliteRuntime> {
        &self.0
    }
}

/// Opens a home.
#[napi]
pub fn open(env: &Env, options: RuntimeInput) -> Result<Object<'_>> {
    logging::install();
    promise(env, async move { BoxliteRuntime::open(options.try_into()?).await.map(NativeRuntime) })
}

#[napi]
impl NativeRuntime {
    /// Where boxes and images live.
    #[napi(getter)]
    pub fn home(&self) -> String {
        self.0.home().to_string_lossy().into_owned()
    }

    /// Makes a box; it starts at its first use.
    #[napi]
    pub fn create<'env>(&self, env: &'env Env, options: BoxInput) -> Result<Object<'env>> {
        let runtime = Arc::clone(&self.0);
        promise(env, async move { runtime.create(options.try_into()?).await.map(NativeBox::from) })
    }

    /// Finds a box.
    #[napi]
    pub fn get<'env>(&self, env: &'env Env, id_or_name: String) -> Result<Object<'env>> {
        let runtime = Arc::clone(&self.0);
        promise(env, async move { runtime.get(&id_or_name).await.map(NativeBox::from) })
    }

    /// Finds the box of a name, or makes it.
    #[napi]
    pub fn get_or_create<'env>(&self, env: &'env Env, options: BoxInput) -> Result<Object<'env>> {
        let runtime = Arc::clone(&self.0);
        promise(env, async move { runtime.get_or_create(options.try_into()?).await.map(NativeBox::from) })
    }

    /// The boxes of this home that match.
    #[napi]
    pub fn list<'env>(&self, env: &'env Env, filter: FilterInput) -> Result<Object<'env>> {
        let runtime = Arc::clone(&self.0);
        promise(env, async move {
            let boxes = runtime.list_matching(&filter.try_into()?).await?;
            Ok(boxes.into_iter().map(BoxInfo::from).collect::<Vec<_>>())
        })
    }

    /// Deletes a box and its disk.
    #[napi]
    pub fn remove<'env>(&self, env: &'env Env, id_or_name: String, force: bool) -> Result<Object<'env>> {
        let runtime = Arc::clone(&self.0);
        promise(env, async move { runtime.remove(&id_or_name, force).await })
    }

    /// What happens from now on.
    #[napi]
    pub fn events<'env>(&self, env: &'env Env, wake: Wake) -> Result<Object<'env>> {
        let runtime = Arc::clone(&self.0);
        promise(env, async move { Ok(NativeEvents::start(runtime.events()?, wake)) })
    }

    /// The counters of this runtime.
    #[napi]
    pub fn metrics<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let runtime = Arc::clone(&self.0);
        promise(env, async move { Ok(RuntimeMetrics::from(runtime.metrics())) })
    }

    /// These and the figures of every box, as Prometheus' text.
    #[napi]
    pub fn prometheus<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let runtime = Arc::clone(&self.0);
        promise(env, async move { runtime.prometheus().await })
    }

    /// Ends what is attached, by force after `timeout_ms`.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env, timeout_ms: Option<u32>) -> Result<Object<'env>> {
        let runtime = Arc::clone(&self.0);
        let timeout = timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        promise(env, async move { runtime.close(timeout).await })
    }
}
