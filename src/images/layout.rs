//! An OCI image layout: a folder that holds blobs and an index of them (OCI image-spec, image-layout.md). Called by
//! `origin`. `skopeo copy … oci:FOLDER:TAG` and `docker buildx build -o type=oci,tar=false` make such folders.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
};

use bytes::Bytes;
use oci_spec::image::{Descriptor, ImageIndex};

use crate::{
    Digest, Error, ErrorKind,
    blocking::blocking,
    manifest::{MAX_MANIFEST, json},
};

/// The annotation that names an image of a layout (OCI image-spec, annotations.md).
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// containerd's, which holds the whole reference.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

const CHUNK: usize = 1 << 20;

/// A layout folder and the image in it that is meant.
#[derive(Debug, Clone)]
pub(crate) struct OciLayout {
    dir: PathBuf,
    tag: Option<String>,
}

impl OciLayout {
    pub(crate) fn new(dir: PathBuf, tag: Option<String>) -> Self {
        Self { dir, tag }
    }

    /// The manifests that the folder has under the tag: several, if it names one for each platform.
    pub(crate) async fn candidates(&self) -> Result<Vec<Descriptor>, Error> {
        let this = self.clone();
        blocking(move || {
            this.check_version()?;
            let bytes = this.read("index.json", MAX_MANIFEST)?;
            let index: ImageIndex = json("index", &bytes, &Digest::of(&bytes))?;
            this.choose(index.manifests())
        })
        .await
    }

    fn choose(&self, all: &[Descriptor]) -> Result<Vec<Descriptor>, Error> {
        let Some(tag) = &self.tag else {
            let names: BTreeSet<_> = all.iter().map(name).collect();
            if names.len() > 1 {
                return Err(
                    self.error(ErrorKind::Reference, &format!("it holds several images: {}", listed(all)))
                );
            }
            return Ok(all.to_vec());
        };
        let fits = |name: &str| name == tag || name.rsplit_once(':').is_some_and(|(_, end)| end == tag);
        let found: Vec<_> = all
            .iter()
            .filter(|item| name(item).is_some_and(fits) || item.digest().to_string() == *tag)
            .cloned()
            .collect();
        if found.is_empty() {
            return Err(
                self.error(ErrorKind::NotFound, &format!("no image {tag:?} in it, but {}", listed(all)))
            );
        }
        Ok(found)
    }

    /// A manifest or index of the layout.
    pub(crate) async fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let this = self.clone();
        let digest = digest.clone();
        blocking(move || {
            let bytes = this.read(&format!("blobs/sha256/{}", digest.hex()), MAX_MANIFEST)?;
            let found = Digest::of(&bytes);
            if found != digest {
                return Err(this.error(
                    ErrorKind::DigestMismatch,
                    &format!("the content of manifest {digest} is {found}"),
                ));
            }
            Ok(bytes)
        })
        .await
    }

    /// Opens a blob behind its first `offset` bytes.
    pub(crate) async fn blob(&self, digest: &Digest, size: u64, offset: u64) -> Result<LayoutBlob, Error> {
        let this = self.clone();
        let digest = digest.clone();
        blocking(move || {
            let (mut file, length) = this.open(&format!("blobs/sha256/{}", digest.hex()))?;
            if length != size {
                return Err(this.error(
                    ErrorKind::Corrupt,
                    &format!("blob {digest} has {length} bytes, its descriptor says {size}"),
                ));
            }
            file.seek(SeekFrom::Start(offset)).map_err(|error| {
                Error::storage(format!("read blob {digest} of {}", this.dir.display()), error)
            })?;
            Ok(LayoutBlob { file, digest })
        })
        .await
    }

    fn check_version(&self) -> Result<(), Error> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Marker {
            image_layout_version: String,
        }
        let bytes = self.read("oci-layout", 64 * 1024)?;
        let marker: Marker = json("oci-layout", &bytes, &Digest::of(&bytes))?;
        if marker.image_layout_version.starts_with("1.") {
            return Ok(());
        }
        Err(self.error(ErrorKind::Unsupported, &format!("layout version {}", marker.image_layout_version)))
    }

    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let (file, length) = self.open(name)?;
        if length > limit {
            return Err(self.error(ErrorKind::TooLarge, &format!("{name} has {length} bytes")));
        }
        let mut bytes = Vec::new();
        file.take(limit)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::storage(format!("read {name} of {}", self.dir.display()), error))?;
        Ok(bytes)
    }

    fn open(&self, name: &str) -> Result<(File, u64), Error> {
        let path = self.dir.join(name);
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
        match opened {
            Ok((meta, file)) if meta.is_file() => Ok((file, meta.len())),
            Ok(_) => Err(self.error(ErrorKind::Corrupt, &format!("{name} is no file"))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                let (kind, name) = match name.strip_prefix("blobs/sha256/") {
                    Some(hex) => (ErrorKind::Corrupt, format!("blob sha256:{hex}")),
                    None => (ErrorKind::NotFound, name.to_owned()),
                };
                Err(self.error(kind, &format!("it has no {name}")).because(error))
            }
            Err(error) => Err(Error::storage(format!("open {}", path.display()), error)),
        }
    }

    fn error(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("read OCI layout {}: {what}", self.dir.display()))
    }
}

/// A blob being read.
pub(crate) struct LayoutBlob {
    file: File,
    digest: Digest,
}

impl LayoutBlob {
    /// The next piece; empty at the end.
    pub(crate) async fn next(mut self) -> Result<(Self, Bytes), Error> {
        blocking(move || {
            let mut piece = Vec::new();
            (&mut self.file)
                .take(CHUNK as u64)
                .read_to_end(&mut piece)
                .map_err(|error| Error::storage(format!("read blob {}", self.digest), error))?;
            Ok((self, piece.into()))
        })
        .await
    }
}

fn name(descriptor: &Descriptor) -> Option<&str> {
    let annotations = descriptor.annotations().as_ref()?;
    annotations.get(REF_NAME).or_else(|| annotations.get(CONTAINERD_NAME)).map(String::as_str)
}

fn listed(all: &[Descriptor]) -> String {
    let names: BTreeSet<_> =
        all.iter().take(20).map(|item| name(item).unwrap_or("one without a name")).collect();
    if names.is_empty() {
        return "nothing".into();
    }
    names.into_iter().collect::<Vec<_>>().join(", ")
}
