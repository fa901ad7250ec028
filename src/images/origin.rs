//! Where an image comes from, whatever it is: manifests by tag or digest, blobs as streams. Called by `fetch`.

use bytes::Bytes;
use oci_spec::{distribution::Reference, image::Descriptor};
use reqwest::Response;

use crate::{
    digest::Digest,
    error::Error,
    layout::{LayoutBlob, OciLayout},
    registry::{Route, unreachable},
};

/// An opened source.
#[derive(Debug)]
pub(crate) enum Origin {
    Registry(Route, Reference),
    Layout(OciLayout),
}

/// What a reference leads to.
pub(crate) enum Root {
    /// A manifest or an index.
    Manifest(Vec<u8>, Digest),
    /// Manifests to choose from.
    Candidates(Vec<Descriptor>),
}

impl Origin {
    pub(crate) async fn root(&self) -> Result<Root, Error> {
        match self {
            Self::Registry(route, reference) => {
                let name = reference.digest().or(reference.tag()).unwrap_or("latest");
                let (bytes, digest) = route.manifest(name).await?;
                Ok(Root::Manifest(bytes, digest))
            }
            Self::Layout(layout) => layout.candidates().map(Root::Candidates),
        }
    }

    /// The bytes that have this digest; the origin checked it.
    pub(crate) async fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        match self {
            Self::Registry(route, _) => Ok(route.manifest(digest.as_str()).await?.0),
            Self::Layout(layout) => layout.manifest(digest).await,
        }
    }

    /// A blob from `offset` on, or from its start: see [`BlobStream::offset`].
    pub(crate) async fn blob(&self, digest: &Digest, size: u64, offset: u64) -> Result<BlobStream, Error> {
        let (offset, place, from) = match self {
            Self::Registry(route, _) => loop {
                let (response, offset, place) = route.blob(digest, offset).await?;
                let length = response.content_length().map(|length| offset.saturating_add(length));
                if length.is_none_or(|length| length == size) {
                    break (offset, place, From::Registry(response));
                }
                let error = Error::corrupt(format!(
                    "fetch blob {digest}: the registry has {} bytes, the manifest says {size}",
                    length.unwrap_or_default()
                ));
                if !route.leave(place, &error) {
                    return Err(error);
                }
            },
            Self::Layout(layout) => (offset, 0, From::Layout(layout.blob(digest, size, offset).await?)),
        };
        Ok(BlobStream { offset, place, from })
    }

    /// How often to try what may pass.
    pub(crate) fn attempts(&self) -> u32 {
        match self {
            Self::Registry(route, _) => route.attempts(),
            Self::Layout(_) => 1,
        }
    }

    /// Whether there is another place for a blob whose bytes from `place` were wrong or stopped coming.
    pub(crate) fn leave(&self, place: usize, error: &Error) -> bool {
        match self {
            Self::Registry(route, _) => route.leave(place, error),
            Self::Layout(_) => false,
        }
    }
}

/// The bytes of a blob as they come.
pub(crate) struct BlobStream {
    /// Where the bytes start.
    pub(crate) offset: u64,
    /// Which of the origin's places they come from; see [`Origin::leave`].
    pub(crate) place: usize,
    from: From,
}

enum From {
    Registry(Response),
    Layout(LayoutBlob),
}

impl BlobStream {
    /// The next bytes, `None` at the end.
    pub(crate) async fn next(&mut self, digest: &Digest) -> Result<Option<Bytes>, Error> {
        match &mut self.from {
            From::Registry(response) => {
                response.chunk().await.map_err(|error| unreachable(&format!("fetch blob {digest}"), error))
            }
            From::Layout(blob) => Ok(Some(blob.next().await?).filter(|piece| !piece.is_empty())),
        }
    }
}
