//! JSON files that are never torn: written beside, flushed, renamed into place. Used for every state file of a box.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{BoxliteError, BoxliteResult, ErrorCode, modes};

/// No file of ours comes near this; a larger one is not ours.
const LARGEST: u64 = 4 << 20;

/// Whether a write must outlive a power cut. A state that the next start can derive need not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    Flushed,
    Cached,
}

/// The names of files that are being written.
const DRAFT: &str = ".writing-";

/// Replaces the file at `path`: a reader finds the old value or the new one, whole.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T, durability: Durability) -> BoxliteResult<()> {
    replace(path, value, durability).map_err(|error| BoxliteError::io("write", path, error))
}

fn replace<T: Serialize>(path: &Path, value: &T, durability: Durability) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = tempfile::Builder::new().prefix(DRAFT).tempfile_in(folder)?;
    modes::set_file(file.as_file())?;
    let mut writer = BufWriter::new(file.as_file_mut());
    serde_json::to_writer_pretty(&mut writer, value)?;
    writer.write_all(b"\n")?;
    writer.flush()?;
    drop(writer);
    if durability == Durability::Flushed {
        file.as_file().sync_all()?;
    }
    file.persist(path).map_err(|error| error.error)?;
    if durability == Durability::Flushed {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
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
    serde_json::from_reader(BufReader::new(file.take(LARGEST))).map(Some).map_err(|error| {
        BoxliteError::new(
            ErrorCode::StorageCorrupt,
            format!("read `{}`: not a valid file of boxlite", path.display()),
        )
        .caused_by(error)
        .hint("restore the file, or remove the box's folder to give the box up")
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
    fn a_damaged_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        fs::write(&path, "{\"x\":").unwrap();
        let error = read::<serde_json::Value>(&path).unwrap_err();
        assert_eq!(error.code(), ErrorCode::StorageCorrupt);
        assert!(error.to_string().contains("a.json"));
    }
}
