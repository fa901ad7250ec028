//! Deletes the folder of a box in one step. Called by `removal`.

use std::{fs, io};

use boxlite_error::{BoxliteError, BoxliteResult};

use crate::state::layout::{BoxPaths, DISK};

/// Removes a box's folder. It is gone as a whole, or there as a whole: it gets another name first, in one step, and its old one
/// back when its disk can't be deleted. A process that still works with the box finds nothing at its paths.
pub(in crate::litebox) fn delete(paths: &BoxPaths) -> BoxliteResult<()> {
    let failed = |error| BoxliteError::io("remove box", paths.dir(), error);
    let removed = paths.removed();
    paths.remove_sockets();
    match fs::rename(paths.dir(), &removed) {
        // Another process removed it a moment ago.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        renamed => renamed.map_err(failed)?,
    }
    if let Err(error) = fs::remove_file(removed.join(DISK))
        && error.kind() != io::ErrorKind::NotFound
    {
        fs::rename(&removed, paths.dir()).map_err(failed)?;
        return Err(failed(error));
    }
    if let Err(error) = fs::remove_dir_all(&removed)
        && error.kind() != io::ErrorKind::NotFound
    {
        // The sweep of the next open of the home tries again.
        tracing::warn!(%error, folder = %removed.display(), "what is left of a removed box could not be deleted");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::state::layout::FilesystemLayout;

    use super::*;

    fn a_box() -> (tempfile::TempDir, BoxPaths) {
        let home = tempfile::tempdir().unwrap();
        let paths = FilesystemLayout::create(home.path()).unwrap().of_box("0123456789ab");
        paths.create().unwrap();
        fs::write(paths.config(), "{}").unwrap();
        (home, paths)
    }

    #[test]
    fn nothing_is_left_of_a_removed_box() {
        let (_home, paths) = a_box();
        fs::write(paths.disk(), "data").unwrap();
        delete(&paths).unwrap();
        assert_eq!(fs::read_dir(paths.dir().parent().unwrap()).unwrap().count(), 0);
        delete(&paths).unwrap();
    }

    #[test]
    fn a_box_whose_disk_can_not_be_deleted_stays_whole() {
        let (_home, paths) = a_box();
        // No file, whoever asks: unlink(2) refuses a folder.
        fs::create_dir(paths.disk()).unwrap();
        delete(&paths).unwrap_err();
        assert!(paths.config().exists() && paths.disk().exists());
    }

    #[test]
    fn a_box_whose_folder_can_not_be_renamed_stays_whole() {
        let (_home, paths) = a_box();
        fs::create_dir(paths.removed()).unwrap();
        fs::write(paths.removed().join("in the way"), "").unwrap();
        delete(&paths).unwrap_err();
        assert!(paths.config().exists());
    }
}
