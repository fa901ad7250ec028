//! Images made here: OCI layouts written byte by byte, and homes to pull them into.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use boxlite_images::{
    Digest, Error, Image, ImageManager, ImageOptions, PullOptions, PullPolicy, RegistryOptions,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A layout folder in the making.
pub(crate) struct Layout {
    pub(crate) dir: TempDir,
    manifests: Vec<Value>,
}

impl Layout {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("blobs/sha256")).unwrap();
        fs::write(dir.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let layout = Self { dir, manifests: Vec::new() };
        layout.write_index();
        layout
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn blob_path(&self, digest: &str) -> PathBuf {
        self.path().join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
    }

    pub(crate) fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes).to_string();
        fs::write(self.blob_path(&digest), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    fn json(&self, media_type: &str, value: &Value) -> Value {
        self.blob(media_type, &serde_json::to_vec(value).unwrap())
    }

    /// Writes an image of gzip layers and returns its descriptor; it has no name yet.
    pub(crate) fn image(&self, architecture: &str, layers: &[Vec<u8>]) -> Value {
        let diff_ids: Vec<_> = layers.iter().map(|tar| Digest::of(tar).to_string()).collect();
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {
                "Env": ["PATH=/bin", "A=1"],
                "Entrypoint": ["/bin/sh", "-c"],
                "Cmd": null,
                "User": "1000:1000",
                "WorkingDir": "/srv",
                "StopSignal": "SIGINT",
                "ExposedPorts": { "80/tcp": {}, "53/udp": {} },
                "Volumes": { "/data": {} },
                "Labels": { "a": "b" },
                "Healthcheck": { "Test": ["CMD", "true"], "Interval": 1_000_000_000 },
            },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": [],
        });
        let layers: Vec<_> = layers
            .iter()
            .map(|tar| self.blob("application/vnd.oci.image.layer.v1.tar+gzip", &gzip(tar)))
            .collect();
        let config = self.json("application/vnd.oci.image.config.v1+json", &config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": layers,
        });
        let mut descriptor = self.json("application/vnd.oci.image.manifest.v1+json", &manifest);
        descriptor["platform"] = json!({ "os": "linux", "architecture": architecture });
        descriptor
    }

    /// Writes an index of images of several platforms.
    pub(crate) fn index(&self, manifests: &[Value]) -> Value {
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": manifests,
        });
        self.json("application/vnd.oci.image.index.v1+json", &index)
    }

    /// Names what a descriptor stands for.
    pub(crate) fn name(&mut self, tag: &str, mut descriptor: Value) {
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        self.manifests.push(descriptor);
        self.write_index();
    }

    /// Gives the name to another image.
    pub(crate) fn rename(&mut self, tag: &str, descriptor: Value) {
        self.manifests.retain(|item| item["annotations"]["org.opencontainers.image.ref.name"] != tag);
        self.name(tag, descriptor);
    }

    fn write_index(&self) {
        let index = json!({ "schemaVersion": 2, "manifests": self.manifests });
        fs::write(self.path().join("index.json"), index.to_string()).unwrap();
    }

    /// A layout with one image for this machine, named `latest`, and the tars of its layers.
    pub(crate) fn with_layers(layers: &[Vec<u8>]) -> Self {
        let mut layout = Self::new();
        let image = layout.image(&host_architecture(), layers);
        layout.name("latest", image);
        layout
    }

    pub(crate) fn source(&self) -> String {
        format!("oci:{}:latest", self.path().display())
    }
}

pub(crate) fn host_architecture() -> String {
    boxlite_images::Platform::host().architecture
}

/// A tar file with one file of `size` bytes that don't compress.
pub(crate) fn layer(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
    .take(size)
    .collect();
    let mut header = tar::Header::new_gnu();
    header.set_path(format!("file-{seed}")).unwrap();
    header.set_size(size as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append(&header, &noise[..]).unwrap();
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A folder of one's own with an image manager.
pub(crate) struct Home {
    pub(crate) dir: TempDir,
    pub(crate) images: ImageManager,
}

impl Home {
    pub(crate) fn new(registries: Vec<RegistryOptions>) -> Self {
        Self::with(|options| options.registries = registries)
    }

    /// The user's own docker credentials are none of a test's business.
    pub(crate) fn with(change: impl FnOnce(&mut ImageOptions)) -> Self {
        let mut options = ImageOptions::default();
        options.docker_credentials = false;
        options.attempts = 3;
        change(&mut options);
        let dir = tempfile::tempdir().unwrap();
        let images = ImageManager::open(dir.path().join("images"), options).unwrap();
        Self { dir, images }
    }

    /// Talks plain HTTP to this host.
    pub(crate) fn http(host: &str) -> Self {
        let mut options = RegistryOptions::new(host);
        options.http = true;
        Self::new(vec![options])
    }

    pub(crate) async fn pull(&self, source: &str) -> Result<Image, Error> {
        self.images.pull(source, PullOptions::default()).await
    }

    pub(crate) async fn pull_with(&self, source: &str, policy: PullPolicy) -> Result<Image, Error> {
        self.images.pull(source, PullOptions::with_policy(policy)).await
    }

    /// The names of all blobs, whole and partial.
    pub(crate) fn blobs(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.dir.path().join("images/blobs/sha256"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn blob_path(&self, digest: &str) -> PathBuf {
        self.images.store().blob_path(&digest.parse().unwrap())
    }
}

/// Every layer of the image is in the store, whole and under its true name.
pub(crate) fn assert_whole(image: &Image, tars: &[Vec<u8>]) {
    assert_eq!(image.layers.len(), tars.len());
    for (layer, tar) in image.layers.iter().zip(tars) {
        let bytes = fs::read(&layer.path).unwrap();
        assert_eq!(Digest::of(&bytes).as_str(), layer.digest);
        assert_eq!(bytes.len() as u64, layer.size);
        assert_eq!(layer.diff_id, Digest::of(tar).as_str());
    }
}
