//! `Authorities`: whose certificates a box trusts beside those of its image. Part of `NetworkOptions`, which checks it;
//! `network/certificates.rs` reads them.

use std::path::PathBuf;

use boxlite_error::BoxliteResult;
use serde::{Deserialize, Serialize};

use crate::options::bound::require;

/// Whose certificates a box trusts beside those of its image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authorities {
    /// Those of the host's store.
    Host,
    /// Those of a PEM file on the host, by its absolute path.
    File(PathBuf),
}

impl Authorities {
    /// # Errors
    /// `INVALID_ARGUMENT` with the path. What is in the file is looked at when a box starts.
    pub(super) fn check(&self) -> BoxliteResult<()> {
        let Self::File(path) = self else { return Ok(()) };
        let good = path.is_absolute() && path.to_str().is_some_and(|path| !path.contains('\0'));
        require(good, "network.ca", || format!("must be an absolute path in UTF-8: `{}`", path.display()))
    }
}
