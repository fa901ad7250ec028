//! The images that boxes were made of, asked of the home itself: other processes make boxes in it too. Asked by `cache`
//! and `catalogue`.

use std::collections::HashSet;

use serde::Deserialize;

use crate::{BoxliteError, BoxliteResult, json_file, layout::FilesystemLayout};

/// By the digests of their manifests.
#[derive(Debug, Default)]
pub(crate) struct InUse {
    digests: HashSet<String>,
    /// A box's config can't be read: it may have been made of any image.
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
    /// Looks at every box. Blocks.
    pub(crate) fn of(layout: &FilesystemLayout) -> BoxliteResult<Self> {
        let folder = layout.boxes();
        let ids = layout.box_folders().map_err(|error| BoxliteError::io("list boxes", &folder, error))?;
        let mut found = Self::default();
        for id in ids {
            match json_file::read::<Config>(&layout.of_box(&id).config()) {
                Ok(config) => {
                    found.digests.extend(config.and_then(|config| config.resolved).map(|image| image.digest));
                }
                Err(error) => {
                    tracing::warn!(%error, id, "a box can't be read: every root disk is kept for it");
                    found.unknown = true;
                }
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

    #[test]
    fn a_box_that_cannot_be_read_keeps_every_image() {
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
        assert!(InUse::of(&layout).unwrap().contains("sha256:2"));
    }
}
