//! The image cache of an open home: the rest of `NativeRuntime`, which is in `runtime.rs`. Wrapped by `lib/images.ts`.

use std::{sync::Arc, time::Duration};

use napi::{Env, Result, bindgen_prelude::Object};
use napi_derive::napi;

use crate::{
    image::{ImageUsage, InspectedImage, ListedImage, Pruned, PulledImage, bytes},
    image_pull::{NativePull, PullInput},
    promise::promise,
    runtime::NativeRuntime,
};

#[napi]
impl NativeRuntime {
    /// Starts to bring an image into the cache.
    #[napi]
    pub fn pull<'env>(&self, env: &'env Env, options: PullInput) -> Result<Object<'env>> {
        let runtime = Arc::clone(self.inner());
        promise(env, async move { runtime.pull(options.try_into()?).map(NativePull::from) })
    }

    /// Every image in the cache.
    #[napi]
    pub fn list_images<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let runtime = Arc::clone(self.inner());
        promise(env, async move {
            Ok(runtime.images().await?.into_iter().map(ListedImage::from).collect::<Vec<_>>())
        })
    }

    /// Resolves with an image's configuration.
    #[napi]
    pub fn inspect_image<'env>(&self, env: &'env Env, source: String) -> Result<Object<'env>> {
        let runtime = Arc::clone(self.inner());
        promise(env, async move { runtime.inspect_image(&source).await.map(InspectedImage::from) })
    }

    /// Removes an image's reference. Resolves with whether there was one.
    #[napi]
    pub fn remove_image<'env>(&self, env: &'env Env, source: String) -> Result<Object<'env>> {
        let runtime = Arc::clone(self.inner());
        promise(env, async move { runtime.remove_image(&source).await })
    }

    /// Removes images unused for so many milliseconds.
    #[napi]
    pub fn prune_images<'env>(&self, env: &'env Env, unused_for_ms: u32) -> Result<Object<'env>> {
        let runtime = Arc::clone(self.inner());
        let age = Duration::from_millis(unused_for_ms.into());
        promise(env, async move { runtime.prune_images(age).await.map(Pruned::from) })
    }

    /// Writes an image to an archive; its size in bytes.
    #[napi]
    pub fn save_image<'env>(&self, env: &'env Env, source: String, file: String) -> Result<Object<'env>> {
        let runtime = Arc::clone(self.inner());
        promise(env, async move { runtime.save_image(&source, file.into()).await.map(bytes) })
    }

    /// Brings an archive's images into the cache.
    #[napi]
    pub fn load_images<'env>(&self, env: &'env Env, path: String) -> Result<Object<'env>> {
        let runtime = Arc::clone(self.inner());
        promise(env, async move {
            let images = runtime.load_images(path.into()).await?;
            Ok(images.into_iter().map(PulledImage::from).collect::<Vec<_>>())
        })
    }

    /// Resolves with the bytes that the home takes.
    #[napi]
    pub fn image_usage<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let runtime = Arc::clone(self.inner());
        promise(env, async move { runtime.image_usage().await.map(ImageUsage::from) })
    }
}
