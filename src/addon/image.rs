//! A pulled image as a plain object. Returned by `runtime.rs`.

use napi_derive::napi;

/// An image in the cache.
#[napi(object, object_from_js = false)]
pub struct PulledImage {
    /// The full reference.
    pub reference: String,
    /// The digest of its manifest.
    pub digest: String,
    /// Bytes of its layers, compressed.
    pub size_bytes: i64,
    /// The number of its layers.
    pub layers: u32,
}

impl From<boxlite_runtime::PulledImage> for PulledImage {
    fn from(image: boxlite_runtime::PulledImage) -> Self {
        Self {
            reference: image.reference,
            digest: image.digest,
            size_bytes: i64::try_from(image.size_bytes).unwrap_or(i64::MAX),
            layers: u32::try_from(image.layers).unwrap_or(u32::MAX),
        }
    }
}
