//! What the user means by an image's name. Called by `manager`.
//!
//! | written | meant |
//! |---|---|
//! | `alpine`, `ghcr.io/o/n:tag`, `localhost:5000/n@sha256:…`, `docker://alpine` | an image in a registry |
//! | `oci:PATH`, `oci:PATH:TAG` | an OCI image layout: a folder, or a tar file |
//! | `oci-archive:PATH[:TAG]`, `docker-archive:PATH[:NAME:TAG]` | the same, and an archive of `docker save` |
//! | `rootfs:PATH` | a root file system: a folder, or a tar file |
//! | `/path`, `./path`, `../path`, `~/path` | whichever of the layouts and archives is there |
//!
//! Tar files and archives may be compressed by gzip or Zstandard.

use std::{
    fmt,
    path::{Component, Path, PathBuf},
};

use boxlite_error::ErrorCode;
use oci_spec::distribution::Reference;

use crate::error::Error;

/// A place to get an image from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A registry, docker.io where none is named.
    Registry(Reference),
    /// An image layout or archive on this machine; which one shows when it is opened.
    Layout {
        /// Absolute.
        path: PathBuf,
        tag: Option<String>,
    },
    /// A root file system without any image around it.
    Rootfs {
        /// Absolute.
        path: PathBuf,
    },
}

impl Source {
    /// What `text` may mean. A name without a registry is looked up in those of `search`, in their order, but for
    /// `docker://`, which always means docker.io.
    pub(crate) fn parse(text: &str, search: &[String]) -> Result<Vec<Self>, Error> {
        let text = text.trim();
        let local = ["oci:", "oci-archive:", "docker-archive:"];
        if let Some(rest) = local.iter().find_map(|transport| text.strip_prefix(transport)) {
            return Ok(vec![Self::layout(rest)?]);
        }
        if let Some(path) = text.strip_prefix("rootfs:") {
            return Ok(vec![Self::Rootfs { path: absolute(path)? }]);
        }
        if text.starts_with(['/', '~']) || text.starts_with("./") || text.starts_with("../") || text == "." {
            return Ok(vec![Self::layout(text)?]);
        }
        if let Some(name) = text.strip_prefix("docker://") {
            return Ok(vec![Self::registry(name, text)?]);
        }
        if !is_short(text) {
            return Ok(vec![Self::registry(text, text)?]);
        }
        search
            .iter()
            .map(|host| match host.as_str() {
                // Its official images have a folder of their own.
                "docker.io" => Self::registry(text, text),
                host => Self::registry(&format!("{}/{text}", host.trim_end_matches('/')), text),
            })
            .collect()
    }

    fn registry(name: &str, text: &str) -> Result<Self, Error> {
        if name.len() > 4096 {
            return Err(Error::new(ErrorCode::ImageReference, "parse image reference: too long"));
        }
        let reference: Reference = name.parse().map_err(|error| {
            Error::new(ErrorCode::ImageReference, format!("parse image reference {text:?}")).because(error)
        })?;
        if reference.repository().contains(|c: char| c.is_ascii_uppercase()) {
            let message = format!("parse image reference {text:?}: names are lower-case");
            return Err(Error::new(ErrorCode::ImageReference, message));
        }
        Ok(Self::Registry(reference))
    }

    /// `PATH[:TAG]`. What exists wins over a tag, as a path may hold colons; a tag may be a whole reference.
    fn layout(text: &str) -> Result<Self, Error> {
        let whole = absolute(text)?;
        if whole.exists() {
            return Ok(Self::Layout { path: whole, tag: None });
        }
        let mut last = None;
        for (at, _) in text.rmatch_indices(':').filter(|(at, _)| *at > 0) {
            let (path, tag) = (absolute(&text[..at])?, &text[at + 1..]);
            if path.exists() {
                return Ok(Self::Layout { path, tag: Some(tag.to_owned()) });
            }
            if !tag.contains('/') {
                last = Some((path, tag.to_owned()));
            }
        }
        Ok(match last {
            Some((path, tag)) => Self::Layout { path, tag: Some(tag) },
            None => Self::Layout { path: whole, tag: None },
        })
    }
}

/// The normalised form: what the store remembers the image under.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => f.write_str(&reference.whole()),
            Self::Layout { path, tag } => {
                write!(f, "oci:{}", path.display())?;
                tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))
            }
            Self::Rootfs { path } => write!(f, "rootfs:{}", path.display()),
        }
    }
}

/// Whether a reference names no registry: what stands before the first slash is one if it has a dot or a port, or is
/// `localhost` (distribution's reference grammar, as docker reads it).
fn is_short(text: &str) -> bool {
    text.split_once('/').is_none_or(|(first, _)| !first.contains(['.', ':']) && first != "localhost")
}

/// Makes a path absolute by its text alone, so that a folder that is gone keeps its name.
fn absolute(text: &str) -> Result<PathBuf, Error> {
    let failed = |error| Error::new(ErrorCode::ImageReference, format!("find image {text:?}")).because(error);
    if text.is_empty() {
        return Err(Error::new(ErrorCode::ImageReference, "parse image reference: no path given"));
    }
    let path = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            std::env::home_dir().unwrap_or_default().join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(text),
    };
    let mut clean = PathBuf::new();
    for part in std::path::absolute(&path).map_err(failed)?.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push::<&Path>(part.as_ref()),
        }
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_normalised() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (text, expected) in [
            ("alpine", "docker.io/library/alpine:latest"),
            ("docker://alpine:3", "docker.io/library/alpine:3"),
            ("me/tool", "docker.io/me/tool:latest"),
            ("localhost:5000/x", "localhost:5000/x:latest"),
            ("localhost/x", "localhost/x:latest"),
            ("127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c"),
            ("oci:/img/../images/a:3", "oci:/images/a:3"),
            ("/images/a", "oci:/images/a"),
            ("rootfs:/srv/root", "rootfs:/srv/root"),
        ] {
            assert_eq!(parsed(text, &["docker.io"]), [expected], "{text}");
        }
        let pinned = format!("ghcr.io/o/n@{digest}");
        assert_eq!(parsed(&pinned, &["docker.io"]), [pinned.as_str()]);
    }

    fn parsed(text: &str, search: &[&str]) -> Vec<String> {
        let search: Vec<_> = search.iter().map(ToString::to_string).collect();
        Source::parse(text, &search).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn short_names_are_looked_up_in_every_registry_of_the_list() {
        let search = ["r.example:5000", "docker.io", "ghcr.io/team"];
        let all = ["r.example:5000/app:1", "docker.io/library/app:1", "ghcr.io/team/app:1"];
        assert_eq!(parsed("app:1", &search), all);
        let all = ["r.example:5000/o/app:latest", "docker.io/o/app:latest", "ghcr.io/team/o/app:latest"];
        assert_eq!(parsed("o/app", &search), all);
        assert_eq!(parsed("docker://app:1", &search), ["docker.io/library/app:1"]);
        assert_eq!(parsed("localhost/app", &search), ["localhost/app:latest"]);
        assert!(parsed("app", &[]).is_empty());
    }

    #[test]
    fn nonsense_is_a_reference_error() {
        for text in ["", "UPPER/case", "a b", "x:y:z", "-", "oci:", "x@sha256:12", &"a/".repeat(3000)] {
            let error = Source::parse(text, &["docker.io".to_owned()]).unwrap_err();
            assert_eq!(error.code(), ErrorCode::ImageReference, "{text:?}");
        }
    }
}
