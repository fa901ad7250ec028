//! `FilesystemLayout`: where everything of a home lies. Used by all of this crate; nobody else joins paths below a home.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::unistd::Uid;

use crate::{BoxliteError, BoxliteResult, modes};

/// `sockaddr_un.sun_path` holds 108 bytes with its NUL (unix(7)); macOS has 104.
const SUN_PATH: usize = 103;
/// The longest socket name below a socket folder.
const LONGEST_SOCKET: &str = "journal.sock";

/// The name of a box's disk in its folder.
pub(crate) const DISK: &str = "disk.qcow2";

/// The name of a box's lock in its folder.
pub(crate) const LOCK: &str = "box.lock";

/// How the names of folders begin that are being deleted: no box is called so.
const DOOMED: &str = ".removed-";

/// The folders and files of one home.
#[derive(Debug, Clone)]
pub(crate) struct FilesystemLayout {
    home: PathBuf,
}

impl FilesystemLayout {
    /// Makes the home's folders, private to the user. The path becomes absolute and free of links.
    pub(crate) fn create(home: &Path) -> BoxliteResult<Self> {
        make_private(home)?;
        let home = fs::canonicalize(home).map_err(|e| BoxliteError::io("resolve home", home, e))?;
        let layout = Self { home };
        for folder in [layout.boxes(), layout.images(), layout.disks(), layout.logs()] {
            make_closed(&folder)?;
        }
        Ok(layout)
    }

    /// A home that is there already; nothing is made.
    pub(crate) fn existing(home: &Path) -> Option<Self> {
        fs::canonicalize(home).ok().map(|home| Self { home })
    }

    /// The home itself.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Held while names are taken and leftovers cleared.
    pub(crate) fn lock(&self) -> PathBuf {
        self.home.join("boxlite.lock")
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.home.join("images")
    }

    pub(crate) fn disks(&self) -> PathBuf {
        self.images().join("disks")
    }

    /// Root disks that starts and pulls are about to use.
    pub(crate) fn disk_leases(&self) -> PathBuf {
        self.images().join("disks.lock")
    }

    /// Whoever looks after the quota.
    pub(crate) fn quota_lock(&self) -> PathBuf {
        self.images().join("quota.lock")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.home.join("logs")
    }

    pub(crate) fn boxes(&self) -> PathBuf {
        self.home.join("boxes")
    }

    /// Has the list of boxes survive a loss of power.
    pub(crate) fn flush_boxes(&self) -> BoxliteResult<()> {
        let folder = self.boxes();
        let flushed = fs::File::open(&folder).and_then(|folder| folder.sync_all());
        flushed.map_err(|error| BoxliteError::io("flush folder", &folder, error))
    }

    /// The names of the folders that may be boxes.
    pub(crate) fn box_folders(&self) -> io::Result<Vec<String>> {
        let names =
            fs::read_dir(self.boxes())?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter(|name| !is_doomed(name)).collect())
    }

    /// Those of boxes that are being deleted, or were when their remover was killed.
    pub(crate) fn doomed_folders(&self) -> io::Result<Vec<PathBuf>> {
        let names =
            fs::read_dir(self.boxes())?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter(|name| is_doomed(name)).map(|name| self.boxes().join(name)).collect())
    }

    pub(crate) fn of_box(&self, id: &str) -> BoxPaths {
        BoxPaths { dir: self.boxes().join(id), id: id.to_owned() }
    }
}

/// The files of one box.
#[derive(Debug, Clone)]
pub(crate) struct BoxPaths {
    dir: PathBuf,
    id: String,
}

impl BoxPaths {
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.join("config.json")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    pub(crate) fn disk(&self) -> PathBuf {
        self.dir.join(DISK)
    }

    /// What the folder is called while it is deleted.
    pub(crate) fn doomed(&self) -> PathBuf {
        self.dir.with_file_name(format!("{DOOMED}{}", self.id))
    }

    pub(crate) fn console(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// Held by whoever changes the box.
    pub(crate) fn lock(&self) -> PathBuf {
        self.dir.join(LOCK)
    }

    /// What the box's main process wrote and how it fared; the guest's journal, as the shim appends it.
    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.join("main.log")
    }

    pub(crate) fn shim_log(&self) -> PathBuf {
        self.dir.join("shim.log")
    }

    /// Held by the box's shim and engine.
    pub(crate) fn shim_lock(&self) -> PathBuf {
        self.dir.join("shim.lock")
    }

    pub(crate) fn create(&self) -> BoxliteResult<()> {
        make_private(&self.dir)
    }

    /// Where the box's sockets go: its own folder, or a short one where that path is too long for a socket.
    fn sockets(&self) -> PathBuf {
        if self.dir.join(LONGEST_SOCKET).as_os_str().len() <= SUN_PATH {
            return self.dir.clone();
        }
        PathBuf::from(format!("/tmp/boxlite-{}", Uid::effective())).join(&self.id)
    }

    pub(crate) fn portal(&self) -> PathBuf {
        self.sockets().join("portal.sock")
    }

    pub(crate) fn ready(&self) -> PathBuf {
        self.sockets().join("ready.sock")
    }

    /// Where the shim takes the guest's journal.
    pub(crate) fn journal_socket(&self) -> PathBuf {
        self.sockets().join(LONGEST_SOCKET)
    }

    /// Makes the socket folder and removes what an earlier machine left in it.
    pub(crate) fn prepare_sockets(&self) -> BoxliteResult<()> {
        let folder = self.sockets();
        if folder != self.dir {
            if let Some(parent) = folder.parent() {
                make_private_in_public(parent)?;
            }
            make_private(&folder)?;
        }
        self.remove_sockets();
        Ok(())
    }

    /// Removes the sockets, and the short folder if there is one.
    pub(crate) fn remove_sockets(&self) {
        for socket in [self.portal(), self.ready(), self.journal_socket()] {
            let _ = fs::remove_file(socket);
        }
        let folder = self.sockets();
        if folder != self.dir {
            let _ = fs::remove_dir(&folder);
            // Shared with other boxes: goes with the last one.
            let _ = folder.parent().map(fs::remove_dir);
        }
    }
}

fn is_doomed(name: &str) -> bool {
    name.starts_with(DOOMED)
}

/// Makes a folder of mode 0700 where there is none.
fn make_private(folder: &Path) -> BoxliteResult<()> {
    modes::make_folder(folder).map_err(|error| BoxliteError::io("make folder", folder, error))
}

/// [`make_private`], and closed to others if it was open to them: a home may be older than this rule, or somebody's else folder
/// that was opened to others on purpose, which is not ours to change.
fn make_closed(folder: &Path) -> BoxliteResult<()> {
    make_private(folder)?;
    match modes::tighten(folder) {
        Ok(false) => {}
        Ok(true) => {
            tracing::warn!(folder = %folder.display(), "the folder was open to other users: it is closed now");
        }
        Err(error) => {
            tracing::warn!(%error, folder = %folder.display(), "the folder is open to other users, and can't be closed");
        }
    }
    Ok(())
}

/// [`make_private`] in `/tmp`, where anybody could have made the folder, or a link of its name, first.
fn make_private_in_public(folder: &Path) -> BoxliteResult<()> {
    make_private(folder)?;
    let refuse = |why: String| {
        let error = io::Error::new(io::ErrorKind::PermissionDenied, why);
        Err(BoxliteError::io("use folder", folder, error).hint("choose a `home` with a shorter path"))
    };
    match fs::symlink_metadata(folder) {
        Err(error) => Err(BoxliteError::io("look at folder", folder, error)),
        Ok(meta) if !meta.is_dir() => refuse("it is no folder".to_owned()),
        Ok(meta) if meta.uid() != Uid::effective().as_raw() => {
            refuse(format!("it belongs to user {}", meta.uid()))
        }
        Ok(meta) if meta.mode() & 0o077 != 0 => refuse("others can look into it".to_owned()),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_stay_below_the_limit_however_deep_the_home() {
        let layout = FilesystemLayout { home: PathBuf::from(format!("/{}", "deep/".repeat(40))) };
        let paths = layout.of_box("0123456789ab");
        assert!(paths.journal_socket().as_os_str().len() <= SUN_PATH);
        assert_ne!(paths.portal(), layout.of_box("0123456789ac").portal());
    }

    #[test]
    fn a_home_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let layout = FilesystemLayout::create(&dir.path().join("home")).unwrap();
        let mode = fs::metadata(layout.boxes()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
