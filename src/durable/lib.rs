//! Files that are replaced as a whole: written under another name, flushed, and renamed into place. Called by `boxlite-images`,
//! `boxlite-disk` and `boxlite-runtime` for everything in a home that a reader must never find half written.
//!
//! A file under construction is a *draft*: it lies in the folder of its target, and its name begins with [`DRAFT`]. A writer
//! that is killed leaves its draft behind, and [`sweep`] removes it. A file that one writer fills over a longer time is held by [`lock`].
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! use boxlite_durable::{Durability, write};
//!
//! let path = folder.path().join("state.json");
//! write(&path, b"{}", 0o600, Durability::Flushed)?;
//! assert_eq!(std::fs::read(&path)?, b"{}");
//! # Ok::<(), std::io::Error>(())
//! ```

use std::{
    fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile};

/// How the name of every draft begins.
pub const DRAFT: &str = ".writing-";

/// Whether a write must outlive a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The file and its name are on the disk when the call returns.
    Flushed,
    /// The kernel writes them when it likes, which is enough for what can be derived again.
    Cached,
}

/// Replaces the file at `path` by one of `bytes` with the permissions `mode`, whatever the umask is. A reader finds the old
/// content or the new, whole. Several writers may do so at once, and the last one wins.
///
/// # Errors
/// The failure of the host's file system. The old file is still there then, unless it was the last flush that failed.
pub fn write(path: &Path, bytes: &[u8], mode: u32, durability: Durability) -> io::Result<()> {
    let mut draft = draft(path, mode)?;
    draft.write_all(bytes)?;
    persist(draft, path, durability)
}

/// Makes an empty draft of `path` with the permissions `mode`; it is removed when it is dropped.
///
/// # Errors
/// The failure of the host's file system.
pub fn draft(path: &Path, mode: u32) -> io::Result<NamedTempFile> {
    // Made here: an error of `tempfile_in` keeps only the text of the system's, and not its number.
    let make =
        |path: &Path| OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    let draft = Builder::new().prefix(DRAFT).make_in(folder_of(path), make)?;
    set_mode(draft.as_file(), mode)?;
    Ok(draft)
}

/// Puts a finished draft in the place of `path`.
///
/// # Errors
/// The failure of the host's file system.
pub fn persist(draft: NamedTempFile, path: &Path, durability: Durability) -> io::Result<()> {
    if durability == Durability::Cached {
        draft.persist(path)?;
        return Ok(());
    }
    draft.as_file().sync_all()?;
    draft.persist(path)?;
    sync_folder(folder_of(path))
}

/// Gives an open file that has the name `from` the name `to`, and flushes both the file and the folder. For files that others
/// find under their first name, because they lock it or go on with it.
///
/// # Errors
/// The failure of the host's file system.
pub fn rename(file: &File, from: &Path, to: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(from, to)?;
    sync_folder(folder_of(to))
}

/// Flushes a folder: the names in it outlive a loss of power then.
///
/// # Errors
/// The failure of the host's file system.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The result of opening or examining a file, where it need not exist: `None` if it does not.
///
/// # Errors
/// Every other failure of the host's file system.
pub fn if_exists<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// The folder that `path` lies in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives a file exactly the permissions `mode`. A umask may have taken some away when it was made.
///
/// # Errors
/// The failure of the host's file system.
pub fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    if file.metadata()?.mode() & 0o7777 == mode {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(mode))
}

/// The drafts in `folder`, of writers that are at work or were killed.
pub fn drafts(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let is_draft = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(DRAFT.as_bytes());
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(is_draft).map(|entry| entry.path())
}

/// Removes the drafts in `folder`. Call it while nobody writes there.
pub fn sweep(folder: &Path) {
    for draft in drafts(folder) {
        let _ = fs::remove_file(draft);
    }
}

/// Makes the private file `path`, or opens it, and locks it. Returns `None` while another opening of the file has the lock, and if the
/// file was renamed or removed before it was locked.
///
/// # Errors
/// The file can't be made, opened or locked.
pub fn lock(path: &Path) -> io::Result<Option<File>> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let locked = file.metadata()?;
    let is_it = |named: Metadata| (named.dev(), named.ino()) == (locked.dev(), locked.ino());
    if !fs::metadata(path).is_ok_and(is_it) {
        return Ok(None);
    }
    // Whatever the umask: what is in the file may be private.
    set_mode(&file, 0o600)?;
    Ok(Some(file))
}

/// The result of an operation on a file, or `None` if there is no such file.
///
/// # Errors
/// Any other failure of the operation.
pub fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (bytes, mode, durability) in
            [(b"one", 0o600, Durability::Flushed), (b"two", 0o644, Durability::Cached)]
        {
            write(&path, bytes, mode, durability).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
        }
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn what_fails_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("folder");
        fs::create_dir(&path).unwrap();
        assert!(write(&path, b"x", 0o600, Durability::Flushed).is_err());
        assert!(path.is_dir());
        assert_eq!(names(folder.path()), ["folder"]);
    }

    #[test]
    fn what_fails_has_the_systems_number() {
        let made = draft(Path::new("/proc/self/comm/file"), 0o600).unwrap_err();
        assert_eq!(made.raw_os_error(), File::open("/proc/self/comm/file").unwrap_err().raw_os_error());
        assert!(made.raw_os_error().is_some());
    }

    #[test]
    fn drafts_of_killed_writers_are_swept_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"x", 0o600, Durability::Cached).unwrap();
        draft(&path, 0o600).unwrap().keep().unwrap();
        assert_eq!(drafts(folder.path()).count(), 1);
        sweep(folder.path());
        assert_eq!(names(folder.path()), ["file"]);
        sweep(Path::new("/nowhere"));
    }

    #[test]
    fn a_file_that_does_not_exist_is_none() {
        assert!(if_exists(File::open("/nowhere/file")).unwrap().is_none());
        assert!(if_exists(File::open("/")).unwrap().is_some());
        assert!(if_exists(File::open("/proc/self/comm/file")).is_err(), "its folder is no folder");
    }

    #[test]
    fn a_bare_name_lies_in_the_working_folder() {
        assert_eq!(folder_of(Path::new("file")), Path::new("."));
        assert_eq!(folder_of(Path::new("a/file")), Path::new("a"));
    }
}
