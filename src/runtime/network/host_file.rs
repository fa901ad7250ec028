//! Reads a file in which this host says something of its network. Called by `routes` and `resolver`.

use std::{fs, path::Path};

use boxlite_error::{BoxliteError, BoxliteResult, resource_limits};

/// Its text; that of a file which is not there, or can't be read, is empty. Blocking.
///
/// # Errors
/// `HOST_LIMIT` if this process may open no more files: the host does not lack what it says there, and a box without it would be another one.
pub(super) fn read(path: &Path) -> BoxliteResult<String> {
    match fs::read(path) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(error) if resource_limits::caused(&error) => Err(BoxliteError::io("read", path, error)),
        Err(_) => Ok(String::new()),
    }
}
