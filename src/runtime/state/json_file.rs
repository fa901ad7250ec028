//! JSON files that are replaced as a whole. Used for every state file of a box.

use std::{fs::File, io::Read, path::Path};

use boxlite_durable::if_exists;
pub(crate) use boxlite_durable::{Durability, drafts, sweep};
use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, Text, text};
use serde::{Serialize, de::DeserializeOwned};

use crate::state::modes;

/// The largest file that is written and read. What may become large, a box's options and what its image says, is held to
/// less before it comes here (`record`).
const LARGEST: usize = 4 << 20;

/// What to do about a file that can't be understood.
pub(crate) fn remedy() -> Text {
    text!["restore the file, or give the box up: ", Term::RuntimeRemoveForce]
}

/// Replaces the file at `path`: a reader finds the old value or the new one, whole. What could not be read again is not written.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T, durability: Durability) -> BoxliteResult<()> {
    let io = |error| BoxliteError::io("write", path, error);
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| io(error.into()))?;
    text.push(b'\n');
    if text.len() > LARGEST {
        return Err(too_large("write", path));
    }
    boxlite_durable::write(path, &text, modes::FILE, durability).map_err(io)
}

/// How many bytes `value` takes in a file.
pub(crate) fn size<T: Serialize>(value: &T) -> usize {
    serde_json::to_vec_pretty(value).map_or(usize::MAX, |text| text.len())
}

fn too_large(what: &str, path: &Path) -> BoxliteError {
    let message = format!("{what} `{}`: a file of boxlite has at most {LARGEST} bytes", path.display());
    BoxliteError::new(ErrorCode::StorageCorrupt, message)
}

/// Reads the file at `path`; `None` when there is none.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> BoxliteResult<Option<T>> {
    let opened = if_exists(File::open(path)).map_err(|error| BoxliteError::io("open", path, error))?;
    let Some(file) = opened else { return Ok(None) };
    let mut text = Vec::new();
    let whole = file.take(LARGEST as u64 + 1).read_to_end(&mut text);
    whole.map_err(|error| BoxliteError::io("read", path, error))?;
    if text.len() > LARGEST {
        return Err(too_large("read", path).hint(remedy()));
    }
    serde_json::from_slice(&text).map(Some).map_err(|error| invalid(path, error))
}

/// The same, with `None` also for a file that is damaged or can't be read.
///
/// # Errors
/// `HOST_LIMIT` if this process may open no more files, which says nothing of this one.
pub(crate) fn read_if_whole<T: DeserializeOwned>(path: &Path) -> BoxliteResult<Option<T>> {
    match read(path) {
        Err(error) if error.code() == ErrorCode::HostLimit => Err(error),
        read => Ok(read.ok().flatten()),
    }
}

/// The error of a file that does not hold what it should.
pub(crate) fn invalid(path: &Path, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BoxliteError {
    let message = format!("read `{}`: not a valid file of boxlite", path.display());
    BoxliteError::new(ErrorCode::StorageCorrupt, message).caused_by(why).hint(remedy())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_value_survives_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        assert_eq!(read::<Vec<u32>>(&path).unwrap(), None);
        write(&path, &vec![1, 2], Durability::Flushed).unwrap();
        write(&path, &vec![3], Durability::Cached).unwrap();
        assert_eq!(read::<Vec<u32>>(&path).unwrap(), Some(vec![3]));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_written_can_be_read_and_what_could_not_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        // Quotes and the newline of the file.
        let longest = "x".repeat(LARGEST - 3);
        write(&path, &longest, Durability::Cached).unwrap();
        assert_eq!(read::<String>(&path).unwrap(), Some(longest.clone()));
        assert_eq!(
            write(&path, &(longest + "x"), Durability::Cached).unwrap_err().code(),
            ErrorCode::StorageCorrupt
        );
        assert_eq!(read::<String>(&path).unwrap().unwrap().len(), LARGEST - 3);
        fs::write(&path, " ".repeat(LARGEST + 1)).unwrap();
        assert!(read::<String>(&path).unwrap_err().to_string().contains("at most 4194304 bytes"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        fs::write(&path, "{\"x\":").unwrap();
        let error = read::<serde_json::Value>(&path).unwrap_err();
        assert_eq!(error.code(), ErrorCode::StorageCorrupt);
        assert!(error.to_string().contains("a.json"));
    }
}
