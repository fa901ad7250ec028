//! `FileChange`: what a watch reports.

use std::path::PathBuf;

use boxlite_proto::v1;
use serde::{Deserialize, Serialize};

use super::target::path_of;

/// A change of a watched file, directory or tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Whether a name came or went; otherwise contents or attributes changed.
    pub renamed: bool,
    /// The path below the watched directory; the file's own name where a file is watched.
    pub path: PathBuf,
}

impl From<v1::FileChange> for FileChange {
    fn from(change: v1::FileChange) -> Self {
        Self { renamed: change.renamed, path: path_of(change.name) }
    }
}
