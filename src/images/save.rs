//! Images out of the store into an archive, and from an archive into the store under their own names. The rest of
//! [`ImageManager`] is in `manager`.
//!
//! The archive is an OCI image layout in a tar, with the `manifest.json` of `docker save` beside it: podman, skopeo and
//! docker of any age read it.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io::{self, Write},
    path::Path,
};

use boxlite_durable::Durability;
use boxlite_error::ErrorCode;
use boxlite_unpack::{Cancel, Cancellable};
use serde_json::{Value, json};
use tar::{Builder, Header};

use crate::{
    blocking::long_blocking,
    config_file::MAX_CONFIG,
    digest::Digest,
    docker::{MANIFEST, descriptor},
    error::Error,
    image::Image,
    layout::OciLayout,
    manager::ImageManager,
    manifest::{MAX_MANIFEST, Manifest, digest_of},
    options::PullOptions,
    origin::Origin,
    platform::Platform,
    source::Source,
    store::IndexEntry,
};

impl ImageManager {
    /// Writes an image of this machine's platform to the file `path`, replacing it; the archive's size in bytes.
    ///
    /// # Errors
    /// The image is not in the store, or the file can't be written.
    pub async fn save(&self, source: &str, path: &Path) -> Result<u64, Error> {
        let image = self.inspect(source, None).await?.ok_or_else(|| {
            Error::new(ErrorCode::ImageNotCached, format!("save image {source}: it is not in the store"))
        })?;
        let digest: Digest = image.digest.parse()?;
        let missing = || Error::corrupt(format!("save image {source}: a blob vanished"));
        let manifest = self.inner.store.read(&digest, MAX_MANIFEST).await?.ok_or_else(missing)?;
        let Manifest::Image(parsed) = Manifest::parse(&manifest, &digest)? else { return Err(missing()) };
        let config_digest = digest_of(parsed.config())?;
        let config = self.inner.store.read(&config_digest, MAX_CONFIG).await?.ok_or_else(missing)?;
        let archive = Archive { image, small: vec![(digest, manifest), (config_digest, config)] };
        let path = path.to_owned();
        long_blocking(move |cancel| {
            archive
                .write(&path, cancel)
                .map_err(|error| Error::storage(format!("save image to {}", path.display()), error))
        })
        .await
    }

    /// Brings every image of an archive, or of a layout folder, into the store under its own name.
    ///
    /// # Errors
    /// The archive can't be read or is refused, or the store fails.
    pub async fn load(&self, path: &Path) -> Result<Vec<Image>, Error> {
        let path = std::path::absolute(path)
            .map_err(|error| Error::storage(format!("open image {}", path.display()), error))?;
        let layout = OciLayout::open(path.clone(), None, self.scratch()).await?;
        let (mut images, mut entries) = (Vec::new(), Vec::new());
        let loaded = self.load_all(&path, &layout, &mut images, &mut entries).await;
        // Together, since the index is written as a whole; those before one that fails are there.
        self.inner.store.remember(entries).await?;
        loaded.map(|()| images)
    }

    async fn load_all(
        &self,
        path: &Path,
        layout: &OciLayout,
        images: &mut Vec<Image>,
        entries: &mut Vec<IndexEntry>,
    ) -> Result<(), Error> {
        let platform = Platform::host();
        // Many names of one image are usual.
        let mut known: HashMap<Vec<String>, usize> = HashMap::new();
        for (name, descriptors) in layout.images()? {
            let reference = own_name(path, name.as_deref());
            let key: Vec<_> = descriptors.iter().map(|item| item.digest().to_string()).collect();
            if let Some(&same) = known.get(&key) {
                images.push(Image { reference: reference.clone(), ..images[same].clone() });
                entries.push(IndexEntry { reference, ..entries[same].clone() });
                continue;
            }
            let origin = Origin::Layout(layout.only(descriptors));
            let options = PullOptions::default();
            let (image, entry) = self.fetch(&origin, &reference, &platform, &options).await?;
            known.insert(key, images.len());
            images.push(image);
            entries.push(entry);
        }
        Ok(())
    }
}

/// The name that an archive's image goes by here: its own if that is a reference with a registry or a repository, else
/// the archive's with a tag.
fn own_name(path: &Path, name: Option<&str>) -> String {
    let docker = ["docker.io".to_owned()];
    // A bare word is a tag of the layout.
    let whole = name.filter(|name| name.contains(['/', ':']));
    if let Some([Source::Registry(reference)]) =
        whole.and_then(|name| Source::parse(name, &docker).ok()).as_deref()
    {
        return reference.whole();
    }
    Source::Layout { path: path.to_owned(), tag: name.map(str::to_owned) }.to_string()
}

struct Archive {
    image: Image,
    /// Manifest and configuration.
    small: Vec<(Digest, Vec<u8>)>,
}

impl Archive {
    /// Under a temporary name first: an archive is there whole or not at all.
    fn write(&self, path: &Path, cancel: &Cancel) -> io::Result<u64> {
        let mut file = boxlite_durable::draft(path, 0o600)?;
        let mut tar = Builder::new(io::BufWriter::with_capacity(1 << 20, file.as_file_mut()));
        append(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        append(&mut tar, "index.json", self.index().to_string().as_bytes())?;
        append(&mut tar, "manifest.json", self.docker().to_string().as_bytes())?;
        for (digest, bytes) in &self.small {
            append(&mut tar, &name(digest.as_str()), bytes)?;
        }
        let mut written = BTreeSet::new();
        for layer in &self.image.layers {
            // An image may have the same layer twice.
            if written.insert(&layer.digest) {
                let mut header = header(layer.size);
                let content = Cancellable::new(File::open(&layer.path)?, cancel);
                tar.append_data(&mut header, name(&layer.digest), content)?;
            }
        }
        tar.into_inner()?.flush()?;
        let size = file.as_file().metadata()?.len();
        boxlite_durable::persist(file, path, Durability::Flushed)?;
        Ok(size)
    }

    fn index(&self) -> Value {
        let Some((digest, manifest)) = self.small.first() else { return Value::Null };
        let mut descriptor = descriptor(MANIFEST, digest, manifest.len() as u64);
        let platform = &self.image.platform;
        descriptor["platform"] = json!({ "os": platform.os, "architecture": platform.architecture });
        if let Some(name) = self.own_name() {
            descriptor["annotations"] = json!({
                "org.opencontainers.image.ref.name": name,
                "io.containerd.image.name": name,
            });
        }
        json!({ "schemaVersion": 2, "manifests": [descriptor] })
    }

    fn docker(&self) -> Value {
        let config = self.small.get(1).map(|(digest, _)| name(digest.as_str()));
        let layers: Vec<_> = self.image.layers.iter().map(|layer| name(&layer.digest)).collect();
        let tags: Vec<_> = self.own_name().into_iter().collect();
        json!([{ "Config": config, "RepoTags": tags, "Layers": layers }])
    }

    /// Its reference, if that has a tag: a path is no name, and a digest is in the index already.
    fn own_name(&self) -> Option<&str> {
        let reference = self.image.reference.as_str();
        let path = reference.starts_with("oci:") || reference.starts_with("rootfs:");
        (!path && !reference.contains('@')).then_some(reference)
    }
}

fn append(tar: &mut Builder<impl Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    tar.append_data(&mut header(bytes.len() as u64), name, bytes)
}

/// The same archive for the same image: no time, no owner.
fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(size);
    header
}

fn name(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}
