//! JSON files that are never torn: written beside, flushed, renamed into place. Used for every state file of a box.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{BoxliteError, BoxliteResult, ErrorCode, modes};

/// The largest file that is written and read. What may become large, a box's options and what its image says, is held to
/// less before it comes here (`record`).
const LARGEST: usize = 4 << 20;

/// Whether a write must outlive a power cut. A state that the next start can derive need not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    Flushed,
    Cached,
}

/// What to do about a file that can't be understood.
const REMEDY: &str = "restore the file, or give the box up: `runtime.remove(id, { force: true })`";

/// The names of files that are being written.
const DRAFT: &str = ".writing-";

/// Replaces the file at `path`: a reader finds the old value or the new one, whole. What could not be read again is not written.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T, durability: Durability) -> BoxliteResult<()> {
    let io = |error| BoxliteError::io("write", path, error);
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| io(error.into()))?;
    text.push(b'\n');
    if text.len() > LARGEST {
        return Err(too_large("write", path));
    }
    replace(path, &text, durability).map_err(io)
}

/// How many bytes `value` takes in a file.
pub(crate) fn size<T: Serialize>(value: &T) -> usize {
    serde_json::to_vec_pretty(value).map_or(usize::MAX, |text| text.len())
}

fn replace(path: &Path, text: &[u8], durability: Durability) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = tempfile::Builder::new().prefix(DRAFT).tempfile_in(folder)?;
    modes::set_file(file.as_file())?;
    file.write_all(text)?;
    if durability == Durability::Flushed {
        file.as_file().sync_all()?;
    }
    file.persist(path).map_err(|error| error.error)?;
    if durability == Durability::Flushed {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn too_large(what: &str, path: &Path) -> BoxliteError {
    let message = format!("{what} `{}`: a file of boxlite has at most {LARGEST} bytes", path.display());
    BoxliteError::new(ErrorCode::StorageCorrupt, message)
}

/// Removes what killed writers left in `folder`. Call it while nobody writes there.
pub(crate) fn sweep(folder: &Path) {
    for draft in drafts(folder) {
        let _ = fs::remove_file(draft);
    }
}

/// What is being written in `folder`, or was when its writer was killed.
pub(crate) fn drafts(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let is_draft = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(DRAFT.as_bytes());
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(is_draft).map(|entry| entry.path())
}

/// Reads the file at `path`; `None` when there is none.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> BoxliteResult<Option<T>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BoxliteError::io("open", path, error)),
    };
    let mut text = Vec::new();
    let whole = file.take(LARGEST as u64 + 1).read_to_end(&mut text);
    whole.map_err(|error| BoxliteError::io("read", path, error))?;
    if text.len() > LARGEST {
        return Err(too_large("read", path).hint(REMEDY));
    }
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        let message = format!("read `{}`: not a valid file of boxlite", path.display());
        BoxliteError::new(ErrorCode::StorageCorrupt, message).caused_by(error).hint(REMEDY)
    })
}

#[cfg(test)]
mod tests {
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
    fn what_a_killed_writer_left_is_swept_away() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a.json"), &1, Durability::Flushed).unwrap();
        fs::write(dir.path().join(".writing-x1"), "{").unwrap();
        assert_eq!(drafts(dir.path()).count(), 1);
        sweep(dir.path());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        sweep(Path::new("/nowhere"));
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
