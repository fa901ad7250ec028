//! A layer that was damaged in the store is fetched again, once. Called by the runtime for pulls and for starts.

use boxlite_error::{BoxliteError, ErrorCode};

use crate::{error::Error, image::Image, manager::ImageManager};

/// Why nothing could be made of an image.
#[derive(Debug)]
pub struct FailedAttempt {
    error: BoxliteError,
    /// The image, if it was there.
    image: Option<Image>,
}

impl FailedAttempt {
    /// The image was pulled, but nothing could be made of it.
    pub fn with(image: Image, error: impl Into<BoxliteError>) -> Self {
        Self { error: error.into(), image: Some(image) }
    }

    /// Whether a damaged layer may be the cause.
    fn blames_layer(&self) -> bool {
        matches!(self.error.code(), ErrorCode::ImageCorrupt | ErrorCode::ImageDigestMismatch)
    }
}

impl From<BoxliteError> for FailedAttempt {
    fn from(error: BoxliteError) -> Self {
        Self { error, image: None }
    }
}

impl From<Error> for FailedAttempt {
    fn from(error: Error) -> Self {
        BoxliteError::from(error).into()
    }
}

impl From<FailedAttempt> for BoxliteError {
    fn from(failed: FailedAttempt) -> Self {
        failed.error
    }
}

impl ImageManager {
    /// Decides whether an attempt to pull an image and make something of it is worth another one.
    ///
    /// A layer that can't be unpacked may have been damaged on disk since it was verified. So if the failure blames a layer, all of
    /// them are read again and damaged ones removed, which the next attempt fetches. If they are intact, it is the image that is
    /// broken. Call it once only.
    ///
    /// # Errors
    /// That of the attempt, if another one would fail too.
    pub async fn repair(&self, failed: FailedAttempt) -> Result<(), BoxliteError> {
        match &failed.image {
            Some(image) if failed.blames_layer() && self.verify(image).await.is_err() => {
                let (error, image) = (&failed.error, &image.reference);
                tracing::warn!(%error, image, "a layer was damaged in the cache; it is fetched again");
                Ok(())
            }
            _ => Err(failed.error),
        }
    }
}
