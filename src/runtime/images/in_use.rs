//! Finds the images that boxes were made of. It reads the home's files, since other processes make boxes too. Called by `cache`
//! and `catalogue`.

use std::collections::HashSet;

use boxlite_disk::base_digest;
use boxlite_error::BoxliteResult;
use serde::Deserialize;

use crate::state::{json_file, layout::FilesystemLayout};

/// By the digests of their manifests.
#[derive(Debug, Default)]
pub(crate) struct InUse {
    digests: HashSet<String>,
    /// Neither a box's config nor its disk can be read: it may have been made of any image.
    unknown: bool,
}

/// The part of a box's `config.json` that matters here.
#[derive(Deserialize)]
struct Config {
    resolved: Option<Resolved>,
}

#[derive(Deserialize)]
struct Resolved {
    digest: String,
}

impl InUse {
    /// Reads every box. Blocking.
    pub(crate) fn of(layout: &FilesystemLayout) -> BoxliteResult<Self> {
        let mut found = Self::default();
        for id in layout.box_ids()? {
            match json_file::read::<Config>(&layout.of_box(&id).config()) {
                Ok(config) => {
                    found.digests.extend(config.and_then(|config| config.resolved).map(|image| image.digest));
                }
                // Then its disk says which image it is based on; a disk that is missing or damaged too needs none.
                Err(_) => match base_digest(&layout.of_box(&id).disk()) {
                    Ok(digest) => found.digests.extend(digest),
                    Err(error) => {
                        tracing::warn!(%error, id, "a box's disk can't be read: every root disk is kept for it");
                        found.unknown = true;
                    }
                },
            }
        }
        Ok(found)
    }

    pub(crate) fn contains(&self, digest: &str) -> bool {
        self.unknown || self.digests.contains(digest)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The beginning of a qcow2 file over the base of `digest`.
    fn disk(digest: &str) -> Vec<u8> {
        let name = format!("../../images/disks/{digest}-v2-16384m.ext4");
        let length = u32::try_from(name.len()).unwrap();
        let mut header = [0x5146_49fb_u32, 3, 0, 104, length].map(u32::to_be_bytes).concat();
        header.resize(104, 0);
        [header, name.into_bytes()].concat()
    }

    #[test]
    fn a_box_that_cannot_be_read_keeps_the_image_under_its_disk_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let layout = FilesystemLayout::create(dir.path()).unwrap();
        let write = |id: &str, text: &str| {
            layout.of_box(id).create().unwrap();
            fs::write(layout.of_box(id).config(), text).unwrap();
        };
        write("a", r#"{"resolved":{"digest":"sha256:1"}}"#);
        write("b", r#"{"resolved":null}"#);
        layout.of_box("half-made").create().unwrap();
        let in_use = InUse::of(&layout).unwrap();
        assert!(in_use.contains("sha256:1") && !in_use.contains("sha256:2"));
        write("c", "{");
        assert!(!InUse::of(&layout).unwrap().contains("sha256:2"));
        let digest = "a".repeat(64);
        fs::write(layout.of_box("c").disk(), disk(&digest)).unwrap();
        let in_use = InUse::of(&layout).unwrap();
        assert!(in_use.contains(&format!("sha256:{digest}")) && !in_use.contains("sha256:2"));
        // A disk that can't be opened may have any base.
        fs::remove_file(layout.of_box("c").disk()).unwrap();
        fs::create_dir(layout.of_box("c").disk()).unwrap();
        assert!(InUse::of(&layout).unwrap().contains("sha256:2"));
    }
}
