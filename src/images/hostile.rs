//! Hostile bytes: references, manifests, indexes, configurations and archives, as users, registries and files may give them.
//! They may be refused, and nothing else: no panic, no endless work, nothing accepted that breaks a bound. Called by the tests
//! below with samples changed at random, and by the fuzz targets in `fuzz/`; no part of a release.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is what this is for")]

use boxlite_unpack::Cancel;

use crate::{
    config_file::ConfigFile,
    digest::Digest,
    docker::Made,
    files::Files,
    layout::OciLayout,
    manifest::{Manifest, digest_of},
    platform::Platform,
    source::Source,
    unpack::Scratch,
};

/// An image's name, as a user writes it.
pub fn reference(bytes: &[u8]) {
    let search = ["docker.io".to_owned(), "quay.io/org".to_owned()];
    let Ok(sources) = Source::parse(&String::from_utf8_lossy(bytes), &search) else { return };
    for source in sources {
        let text = source.to_string();
        if let Source::Registry(_) = source {
            // What is normalised stays that, and can be a part of a URL.
            assert_eq!(Source::parse(&text, &search).unwrap()[0].to_string(), text);
            assert!(
                !text.contains("/../") && !text.contains(|c: char| c.is_control() || c == ' '),
                "{text:?}"
            );
        }
    }
}

/// A manifest or an index.
pub fn manifest(bytes: &[u8]) {
    match Manifest::parse(bytes, &Digest::of(bytes)) {
        Ok(Manifest::Image(image)) => {
            for layer in image.layers() {
                assert!(digest_of(layer).is_err() || digest_of(layer).unwrap().hex().len() == 64);
            }
        }
        Ok(Manifest::Index(index)) => {
            let host = Platform::host();
            for item in index.manifests() {
                let _ = Platform::of(item).and_then(|platform| host.rank(&platform));
            }
        }
        Err(error) => assert!(error.to_string().len() < 4096),
    }
}

/// An image's configuration.
pub fn config(bytes: &[u8]) {
    if let Ok(file) = ConfigFile::parse(bytes, &Digest::of(bytes)) {
        let _ = file.platform().to_string();
        let (_, diff_ids) = file.into_parts();
        assert!(diff_ids.iter().all(|digest| digest.hex().len() == 64));
    }
}

/// An archive: an OCI layout, or one of `docker save`.
pub fn archive(bytes: &[u8]) {
    let folder = std::env::temp_dir();
    let file = tempfile::NamedTempFile::new_in(&folder).unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let scratch = Scratch { dir: folder.into(), reserve: 0 };
    let cancel = Cancel::default();
    let Ok(files) = Files::open(file.path().to_owned(), &scratch, &cancel) else { return };
    let _ = Made::read(&files, &cancel);
    let _ = OciLayout::examine(files);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each sample is changed; seconds in a debug build.
    const ROUNDS: u64 = 4000;

    const REFERENCES: &[&str] = &[
        "alpine",
        "docker.io/library/alpine:3.20",
        "localhost:5000/a/b-c_d.e:tag@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "oci:../images/a:1",
        "docker-archive:/x.tar:app:v1",
        "rootfs:/srv",
        "docker://[::1]:5000/x",
    ];
    const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":7023},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":32654}]}"#;
    const INDEX: &str = r#"{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":7143,"platform":{"architecture":"arm64","os":"linux","variant":"v8"}}]}"#;
    const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","config":{"Env":["A=1"],"Entrypoint":null,"User":"1","ExposedPorts":{"80/tcp":{}},"Labels":{"a":"b"},"Healthcheck":{"Test":["CMD"],"Interval":1}},"rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}}"#;

    /// Words that parsers stumble over.
    const WORDS: &[&str] = &[
        "null",
        "-1",
        "18446744073709551616",
        "\"\"",
        "[]",
        "{}",
        "../",
        "\0",
        "\u{202e}",
        "[[[[[[[[",
        "1e999",
        ":",
        "@",
        "/",
    ];

    /// xorshift64: the same samples each time.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % bound.max(1) as u64).unwrap_or(0)
        }

        fn change(&mut self, bytes: &mut Vec<u8>) {
            let (at, other) = (self.below(bytes.len()), self.below(bytes.len()));
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 => bytes.truncate(at),
                2 => drop(bytes.drain(at.min(other)..at.max(other))),
                3 => {
                    let copy = bytes[at.min(other)..at.max(other)].to_vec();
                    bytes.splice(at..at, copy);
                }
                4 => drop(bytes.splice(at..at, WORDS[self.below(WORDS.len())].bytes())),
                _ => drop(bytes.splice(at.min(other)..at.max(other), WORDS[self.below(WORDS.len())].bytes())),
            }
            bytes.truncate(1 << 16);
        }
    }

    fn samples(seed: &str, mut each: impl FnMut(&[u8])) {
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15 ^ seed.len() as u64);
        for round in 0..ROUNDS {
            let mut bytes = seed.as_bytes().to_vec();
            for _ in 0..=round % 4 {
                chance.change(&mut bytes);
            }
            each(&bytes);
        }
    }

    #[test]
    fn references() {
        for seed in REFERENCES {
            samples(seed, reference);
        }
    }

    #[test]
    fn manifests_and_indexes() {
        for seed in [MANIFEST, INDEX] {
            samples(seed, manifest);
        }
    }

    #[test]
    fn configurations() {
        samples(CONFIG, config);
    }
}
