//! The image cache of an open home: the rest of `NativeRuntime`, which is in `runtime.rs`. Wrapped by `lib/images.ts`.

use std::time::Duration;

use napi_derive::napi;

use crate::{
    answer::{Answer, answer},
    image_pull::{NativePull, PullInput},
    plain::Plain,
    runtime::NativeRuntime,
};

#[napi]
impl NativeRuntime {
    /// Starts to bring an image into the cache.
    #[napi]
    pub fn pull(&self, options: PullInput) -> Answer {
        answer(self.inner(), async move |runtime| runtime.pull(options.try_into()?).map(NativePull::from))
    }

    /// Every image in the cache.
    #[napi]
    pub fn list_images(&self) -> Answer {
        answer(self.inner(), async move |runtime| runtime.images().await.and_then(Plain::of))
    }

    /// Resolves with an image's configuration.
    #[napi]
    pub fn inspect_image(&self, source: String) -> Answer {
        answer(self.inner(), async move |runtime| runtime.inspect_image(&source).await.and_then(Plain::of))
    }

    /// Removes an image's reference. Resolves with whether there was one.
    #[napi]
    pub fn remove_image(&self, source: String) -> Answer {
        answer(self.inner(), async move |runtime| runtime.remove_image(&source).await)
    }

    /// Removes images unused for so many milliseconds.
    #[napi]
    pub fn prune_images(&self, unused_for_ms: u32) -> Answer {
        let age = Duration::from_millis(unused_for_ms.into());
        answer(self.inner(), async move |runtime| runtime.prune_images(age).await.and_then(Plain::of))
    }

    /// Writes an image to an archive; its size in bytes.
    #[napi]
    pub fn save_image(&self, source: String, file: String) -> Answer {
        answer(self.inner(), async move |runtime| {
            runtime.save_image(&source, file.into()).await.and_then(Plain::of)
        })
    }

    /// Brings an archive's images into the cache.
    #[napi]
    pub fn load_images(&self, path: String) -> Answer {
        answer(self.inner(), async move |runtime| runtime.load_images(path.into()).await.and_then(Plain::of))
    }

    /// Resolves with the bytes that the home takes.
    #[napi]
    pub fn image_usage(&self) -> Answer {
        answer(self.inner(), async move |runtime| runtime.image_usage().await.and_then(Plain::of))
    }
}
