//! Where an image comes from, whatever it is: manifests by tag or digest, blobs as streams. Called by `fetch`.

use bytes::Bytes;
use oci_spec::{distribution::Reference, image::Descriptor};
use reqwest::Response;

use crate::{
    Digest, Error, ErrorKind,
    layout::{LayoutBlob, OciLayout},
    registry::{Repository, unreachable},
};

/// An opened source.
#[derive(Debug)]
pub(crate) enum Origin {
    Registry(Repository, Reference),
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
            Self::Registry(repository, reference) => {
                let name = reference.digest().or(reference.tag()).unwrap_or("latest");
                let (bytes, digest) = repository.manifest(name).await?;
                Ok(Root::Manifest(bytes, digest))
            }
            Self::Layout(layout) => layout.candidates().await.map(Root::Candidates),
        }
    }

    /// The bytes that have this digest; the origin checked it.
    pub(crate) async fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        match self {
            Self::Registry(repository, _) => Ok(repository.manifest(digest.as_str()).await?.0),
            Self::Layout(layout) => layout.manifest(digest).await,
        }
    }

    /// A blob from `offset` on, or from its start: see [`BlobStream::offset`].
    pub(crate) async fn blob(&self, digest: &Digest, size: u64, offset: u64) -> Result<BlobStream, Error> {
        let (offset, from) = match self {
            Self::Registry(repository, _) => {
                let (response, offset) = repository.blob(digest, offset).await?;
                if let Some(length) = response.content_length()
                    && offset + length != size
                {
                    return Err(Error::corrupt(format!(
                        "fetch blob {digest}: the registry has {} bytes, the manifest says {size}",
                        offset + length
                    )));
                }
                (offset, From::Registry(response))
            }
            Self::Layout(layout) => (offset, From::Layout(Some(layout.blob(digest, size, offset).await?))),
        };
        Ok(BlobStream { offset, from })
    }

    /// How often to try what may pass.
    pub(crate) fn attempts(&self) -> u32 {
        match self {
            Self::Registry(repository, _) => repository.attempts(),
            Self::Layout(_) => 1,
        }
    }
}

/// The bytes of a blob as they come.
pub(crate) struct BlobStream {
    offset: u64,
    from: From,
}

enum From {
    Registry(Response),
    Layout(Option<LayoutBlob>),
}

impl BlobStream {
    /// Where the bytes start.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next bytes, `None` at the end.
    pub(crate) async fn next(&mut self, digest: &Digest) -> Result<Option<Bytes>, Error> {
        match &mut self.from {
            From::Registry(response) => {
                response.chunk().await.map_err(|error| unreachable(&format!("fetch blob {digest}"), error))
            }
            From::Layout(blob) => {
                let Some(reader) = blob.take() else {
                    return Err(Error::new(ErrorKind::Cancelled, format!("fetch blob {digest}")));
                };
                let (reader, piece) = reader.next().await?;
                *blob = Some(reader);
                Ok(Some(piece).filter(|piece| !piece.is_empty()))
            }
        }
    }
}
