//! The modes of what this crate makes in a home: for its user alone, whatever the umask of the program around it says, which
//! may be too open or so strict that we could not use our own folders. Used by all that makes files and folders.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::Path,
};

/// The mode of a file.
pub(crate) const FILE: u32 = 0o600;
/// The mode of a folder.
pub(crate) const FOLDER: u32 = 0o700;

/// Gives a file that was just made its mode. It had no other user's rights before, if it was made with [`FILE`].
pub(crate) fn set_file(file: &File) -> io::Result<()> {
    boxlite_durable::set_mode(file, FILE)
}

/// The same for the socket at `path`.
pub(crate) fn set_path(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(FILE))
}

/// Makes a folder where there is none, and its parents; what was there already is left as it is.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|parent| *parent != Path::new("")) {
        make_folder(parent)?;
    }
    match DirBuilder::new().mode(FOLDER).create(folder) {
        Ok(()) => fs::set_permissions(folder, Permissions::from_mode(FOLDER)),
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Takes away what others may do in a folder of ours. Returns `true` if there was something to take.
pub(crate) fn tighten(folder: &Path) -> io::Result<bool> {
    let mode = fs::metadata(folder)?.mode() & 0o777;
    if mode & !FOLDER == 0 {
        return Ok(false);
    }
    fs::set_permissions(folder, Permissions::from_mode(FOLDER)).map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn folders_are_made_with_their_parents_and_old_ones_stay_as_they_are() {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), Permissions::from_mode(0o755)).unwrap();
        let deep = base.path().join("a/b");
        make_folder(&deep).unwrap();
        make_folder(&deep).unwrap();
        assert_eq!((mode(base.path()), mode(&base.path().join("a")), mode(&deep)), (0o755, 0o700, 0o700));
    }

    #[test]
    fn what_others_may_do_is_taken_away() {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(tighten(base.path()).unwrap());
        assert!(!tighten(base.path()).unwrap());
        assert_eq!(mode(base.path()), 0o700);
    }
}
