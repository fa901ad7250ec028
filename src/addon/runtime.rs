//! `NativeRuntime`: one open home; its images are in `image_cache.rs`. Wrapped by `lib/runtime.ts`, calls
//! `BoxliteRuntime`.

use std::{sync::Arc, time::Duration};

use boxlite_runtime::{BoxliteRuntime, logging};
use napi_derive::napi;

use crate::{
    answer::{Answer, answer},
    event::{NativeEvents, Wake},
    litebox::NativeBox,
    options::box_options,
    plain::Plain,
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
pub fn open(options: Plain) -> Answer {
    logging::install();
    answer(&(), async move |()| BoxliteRuntime::open(options.read()?).await.map(NativeRuntime))
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
    pub fn create(&self, options: Plain) -> Answer {
        answer(&self.0, async move |runtime| {
            runtime.create(box_options(&options)?).await.map(NativeBox::from)
        })
    }

    /// Finds a box.
    #[napi]
    pub fn get(&self, id_or_name: String) -> Answer {
        answer(&self.0, async move |runtime| runtime.get(&id_or_name).await.map(NativeBox::from))
    }

    /// Finds the box of a name, or makes it.
    #[napi]
    pub fn get_or_create(&self, options: Plain) -> Answer {
        answer(&self.0, async move |runtime| {
            runtime.get_or_create(box_options(&options)?).await.map(NativeBox::from)
        })
    }

    /// The boxes of this home that match.
    #[napi]
    pub fn list(&self, filter: Plain) -> Answer {
        answer(&self.0, async move |runtime| runtime.list_matching(&filter.read()?).await.and_then(Plain::of))
    }

    /// Deletes a box and its disk.
    #[napi]
    pub fn remove(&self, id_or_name: String, force: bool) -> Answer {
        answer(&self.0, async move |runtime| runtime.remove(&id_or_name, force).await)
    }

    /// What happens from now on.
    #[napi]
    pub fn events(&self, wake: Wake) -> Answer {
        answer(&self.0, async move |runtime| Ok(NativeEvents::start(runtime.events()?, wake)))
    }

    /// The counters of this runtime.
    #[napi]
    pub fn metrics(&self) -> Answer {
        answer(&self.0, async move |runtime| Plain::of(runtime.sample_metrics().await))
    }

    /// These and the figures of every box, as Prometheus' text.
    #[napi]
    pub fn prometheus(&self) -> Answer {
        answer(&self.0, async move |runtime| runtime.prometheus().await)
    }

    /// Ends what is attached, by force after `timeout_ms`.
    #[napi]
    pub fn close(&self, timeout_ms: Option<u32>) -> Answer {
        let timeout = timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        answer(&self.0, async move |runtime| runtime.close(timeout).await)
    }
}
