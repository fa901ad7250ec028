//! One blob on its way into the store: resumed where it broke off, aborted when it is too slow, fetched from the next place
//! when one fails. Part of [`Fetch`], which calls it for the configuration and for each layer.

use std::time::Duration;

use boxlite_error::ErrorCode;
use oci_spec::image::Descriptor;
use tokio::time::Instant;

use crate::{
    digest::Digest,
    error::{Error, Retry},
    fetch::Fetch,
    manifest::digest_of,
    origin::BlobStream,
    progress::{ProgressSink, PullEvent},
    registry::Backoff,
    store::{Partial, Start},
};

/// Bytes that are gathered before they are hashed and written in one go.
const PIECE: usize = 1 << 20;
/// What must have arrived for a broken transfer to count as progress.
const PROGRESS: u64 = 256 * 1024;
/// What must come within [`crate::Timeouts::drip`].
const DRIP: u64 = 64 * 1024;
impl Fetch<'_> {
    /// Brings a blob into the store, and returns whether it was there already.
    pub(crate) async fn blob(
        &self,
        descriptor: &Descriptor,
        progress: Option<&ProgressSink>,
    ) -> Result<bool, Error> {
        let digest = digest_of(descriptor)?;
        let size = descriptor.size();
        let mut trusted = false;
        loop {
            let waiting = |bytes| arrived(progress, &digest, bytes);
            let partial = match self.store.partial(&digest, size, waiting).await? {
                Start::Present => return Ok(true),
                Start::Partial(partial) => partial,
            };
            let resumed = partial.written > 0;
            match self.transfer(partial, size, progress).await {
                // What an interrupted pull left may be damaged, for example by a crash of the machine, so it is fetched
                // once more from the start.
                Err(error) if error.code() == ErrorCode::ImageDigestMismatch && resumed && !trusted => {
                    trusted = true;
                }
                Err(error) if error.retry == Retry::Elsewhere => {}
                result => return result.map(|()| false),
            }
        }
    }

    async fn transfer(
        &self,
        mut partial: Partial,
        size: u64,
        progress: Option<&ProgressSink>,
    ) -> Result<(), Error> {
        let mut backoff = Backoff::new(self.origin.attempts());
        let mut place = 0;
        while !partial.is_complete() {
            let before = partial.written;
            let error = match self.origin.blob(&partial.digest.clone(), size, before).await {
                Err(error) => error,
                Ok(mut stream) => {
                    place = stream.place;
                    if stream.offset != before {
                        partial = partial.restart().await?;
                    }
                    let failed;
                    (partial, failed) =
                        drain(partial, &mut stream, self.options.timeouts.drip, progress).await?;
                    match failed {
                        None if partial.is_complete() => break,
                        None => Error::corrupt(format!(
                            "fetch blob {}: truncated after {} of {size} bytes",
                            partial.digest, partial.written
                        ))
                        .transient(None),
                        Some(error) => error,
                    }
                }
            };
            if partial.written >= before + PROGRESS {
                backoff.reset();
            }
            if let Err(error) = backoff.wait(error).await {
                // What a mirror doesn't finish, the next place may.
                if !self.origin.leave(place, &error) {
                    return Err(error);
                }
                backoff.reset();
            }
        }
        match partial.commit().await {
            Err(error)
                if error.code() == ErrorCode::ImageDigestMismatch && self.origin.leave(place, &error) =>
            {
                Err(error.with_retry(Retry::Elsewhere))
            }
            result => result,
        }
    }
}

/// Appends what comes to the blob; what came before an error is kept.
async fn drain(
    mut partial: Partial,
    stream: &mut BlobStream,
    drip: Duration,
    progress: Option<&ProgressSink>,
) -> Result<(Partial, Option<Error>), Error> {
    let digest = partial.digest.clone();
    let mut watch = (Instant::now(), 0);
    loop {
        let mut pieces = Vec::new();
        let mut gathered = 0;
        let end = loop {
            match stream.next(&digest).await {
                Ok(Some(piece)) => {
                    gathered += piece.len();
                    watch.1 += piece.len() as u64;
                    pieces.push(piece);
                    if watch.0.elapsed() >= drip {
                        if watch.1 < DRIP {
                            break Some(Some(too_slow(&digest, watch.1, drip)));
                        }
                        watch = (Instant::now(), 0);
                    }
                    if gathered >= PIECE {
                        break None;
                    }
                }
                Ok(None) => break Some(None),
                Err(error) => break Some(Some(error)),
            }
        };
        partial = partial.append(pieces).await?;
        arrived(progress, &digest, partial.written);
        if let Some(failed) = end {
            return Ok((partial, failed));
        }
    }
}

/// Says how many bytes of a blob are here.
fn arrived(progress: Option<&ProgressSink>, digest: &Digest, bytes: u64) {
    if let Some(progress) = progress {
        progress.send(PullEvent::LayerProgress { digest: digest.to_string(), bytes });
    }
}

fn too_slow(digest: &Digest, bytes: u64, drip: Duration) -> Error {
    let message = format!("fetch blob {digest}: only {bytes} bytes in {} ms", drip.as_millis());
    Error::new(ErrorCode::RegistryUnreachable, message).transient(None)
}
