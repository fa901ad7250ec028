//! An image on this machine: an OCI image layout (OCI image-spec, image-layout.md), as a folder or a tar file, or an
//! archive of `docker save`, to which `docker` adds what it lacks. Called by `origin`. `skopeo copy … oci:FOLDER:TAG` and
//! `docker buildx build -o type=oci` make layouts.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::PathBuf,
    sync::Arc,
};

use boxlite_error::ErrorCode;
use bytes::Bytes;
use oci_spec::image::{Descriptor, ImageIndex};

use crate::{
    blocking::{blocking, long_blocking},
    digest::Digest,
    docker::{Made, part_error, read},
    error::Error,
    files::{Files, Part},
    manifest::{MAX_MANIFEST, json},
    rootfs,
    unpack::Scratch,
};

/// The annotation that names an image of a layout (OCI image-spec, annotations.md).
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// containerd's, which holds the whole reference.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

const CHUNK: usize = 1 << 20;
/// Bytes of an image's name.
const MAX_NAME: usize = 4096;

/// A layout and the image in it that is meant.
#[derive(Debug, Clone)]
pub(crate) struct OciLayout {
    files: Arc<Files>,
    /// Read once, however many images it names.
    index: Arc<[Descriptor]>,
    tag: Option<String>,
    /// Of an archive of `docker save`.
    made: Option<Arc<Made>>,
}

impl OciLayout {
    /// Opens what is at `path`, whichever of the three it is.
    pub(crate) async fn open(path: PathBuf, tag: Option<String>, scratch: Scratch) -> Result<Self, Error> {
        long_blocking(move |cancel| {
            let files = Files::open(path, &scratch, cancel)?;
            // Recent versions of `docker save` write both forms.
            if !files.has("oci-layout") && files.has("manifest.json") {
                let made = Made::read(&files, cancel)?;
                return Ok(Self::made(files, tag, made));
            }
            Self::read(files, tag)
        })
        .await
    }

    fn made(files: Files, tag: Option<String>, made: Made) -> Self {
        Self { files: Arc::new(files), index: made.index.clone().into(), tag, made: Some(Arc::new(made)) }
    }

    fn read(files: Files, tag: Option<String>) -> Result<Self, Error> {
        let mut this = Self { files: Arc::new(files), index: Arc::default(), tag, made: None };
        this.check_version()?;
        let bytes = read(&this.files, "index.json", MAX_MANIFEST)?;
        let index: ImageIndex = json("index", &bytes, &Digest::of(&bytes))?;
        this.index = index.manifests().clone().into();
        Ok(this)
    }

    /// Reads all that is read before an image is chosen.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn examine(files: Files) -> Result<Vec<Descriptor>, Error> {
        let this = Self::read(files, None)?;
        this.images()?;
        this.candidates()
    }

    /// A root file system, as an image of one layer; see `rootfs`.
    pub(crate) async fn of_rootfs(path: PathBuf, scratch: Scratch) -> Result<Self, Error> {
        long_blocking(move |cancel| {
            let (files, made) = rootfs::image(&path, &scratch, cancel)?;
            Ok(Self::made(files, None, made))
        })
        .await
    }

    /// All images in it, by their names, each a tag or a whole reference.
    pub(crate) fn images(&self) -> Result<BTreeMap<Option<String>, Vec<Descriptor>>, Error> {
        let mut images: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for item in &*self.index {
            let name = name(item);
            if name.is_some_and(|name| name.len() > MAX_NAME) {
                let bytes = name.map_or(0, str::len);
                return Err(self
                    .files
                    .error(ErrorCode::ImageCorrupt, &format!("an image with a name of {bytes} bytes")));
            }
            images.entry(name.map(str::to_owned)).or_default().push(item.clone());
        }
        Ok(images)
    }

    /// Of the same place, one image: it is one of [`OciLayout::images`].
    pub(crate) fn only(&self, image: Vec<Descriptor>) -> Self {
        Self { index: image.into(), tag: None, ..self.clone() }
    }

    /// The manifests that the layout has under the tag: several, if it names one for each platform.
    pub(crate) fn candidates(&self) -> Result<Vec<Descriptor>, Error> {
        let all = &*self.index;
        let Some(tag) = &self.tag else {
            let names: BTreeSet<_> = all.iter().map(name).collect();
            if names.len() > 1 {
                return Err(self
                    .files
                    .error(ErrorCode::ImageReference, &format!("it holds several images: {}", listed(all))));
            }
            return Ok(all.to_vec());
        };
        let fits = |name: &str| {
            // `3`, `alpine:3` and `docker.io/library/alpine:3` are the same to users.
            name == tag || name.strip_suffix(tag.as_str()).is_some_and(|start| start.ends_with([':', '/']))
        };
        let found: Vec<_> = all
            .iter()
            .filter(|item| name(item).is_some_and(fits) || item.digest().to_string() == *tag)
            .cloned()
            .collect();
        if found.is_empty() {
            return Err(self
                .files
                .error(ErrorCode::ImageNotFound, &format!("no image {tag:?} in it, but {}", listed(all))));
        }
        Ok(found)
    }

    /// A manifest or index of the layout.
    pub(crate) async fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let this = self.clone();
        let digest = digest.clone();
        blocking(move || {
            if let Some(manifest) = this.made.as_ref().and_then(|made| made.manifests.get(&digest)) {
                return Ok(manifest.clone());
            }
            let bytes = read(&this.files, &this.blob_name(&digest), MAX_MANIFEST)?;
            let found = Digest::of(&bytes);
            if found != digest {
                return Err(this.files.error(
                    ErrorCode::ImageDigestMismatch,
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
            let name = this.blob_name(&digest);
            let failed = |error| part_error(&this.files, &name, error);
            let mut part = this.files.file(&name).map_err(failed)?;
            if part.length != size {
                return Err(this.files.error(
                    ErrorCode::ImageCorrupt,
                    &format!("blob {digest} has {} bytes, its descriptor says {size}", part.length),
                ));
            }
            part.seek(offset);
            Ok(LayoutBlob { part, digest })
        })
        .await
    }

    fn blob_name(&self, digest: &Digest) -> String {
        let made = self.made.as_ref().and_then(|made| made.names.get(digest));
        made.cloned().unwrap_or_else(|| format!("blobs/sha256/{}", digest.hex()))
    }

    fn check_version(&self) -> Result<(), Error> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Marker {
            image_layout_version: String,
        }
        let bytes = read(&self.files, "oci-layout", 64 * 1024)?;
        let marker: Marker = json("oci-layout", &bytes, &Digest::of(&bytes))?;
        if marker.image_layout_version.starts_with("1.") {
            return Ok(());
        }
        Err(self
            .files
            .error(ErrorCode::ImageUnsupported, &format!("layout version {}", marker.image_layout_version)))
    }
}

/// A blob being read.
pub(crate) struct LayoutBlob {
    part: Part,
    digest: Digest,
}

impl LayoutBlob {
    /// Reads the next piece, which is empty at the end.
    pub(crate) async fn next(&mut self) -> Result<Bytes, Error> {
        let (mut part, digest) = (self.part.clone(), self.digest.clone());
        let (part, piece) = blocking(move || {
            let mut piece = Vec::new();
            let read = (&mut part).take(CHUNK as u64).read_to_end(&mut piece);
            read.map_err(|error| Error::storage(format!("read blob {digest}"), error))?;
            Ok((part, piece))
        })
        .await?;
        self.part = part;
        Ok(piece.into())
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
