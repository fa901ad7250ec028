//! `FilesystemLayout`: where everything of a home lies. Used by all of this crate; nobody else joins paths below a home.

use std::{
    fs,
    path::{Path, PathBuf},
};

use boxlite_error::{BoxliteError, BoxliteResult};
use boxlite_spec::DEADLINE_FILE;

use crate::{options::bound::require, shim::socket::BoxSocket, state::modes};

/// The longest path that the kernel takes in one call, its closing NUL counted (limits.h, `PATH_MAX`).
const PATH_MAX: usize = 4096;
/// What lies in a home has a path of at most so many bytes below it: a blob that is being fetched has a digest in its name.
const BELOW: usize = 256;

/// The name of a box's disk in its folder.
pub(crate) const DISK: &str = "disk.qcow2";

/// The name of a box's lock in its folder.
pub(crate) const LOCK: &str = "box.lock";

/// How the names of folders begin that are being deleted. No id of a box begins like this.
const REMOVED: &str = ".removed-";

/// Declares methods that return what lies at a place in a folder, made by `$of(folder, place)`.
macro_rules! places {
    ($type:ty = $of:path, in $folder:ident: $($(#[$doc:meta])* $method:ident = $place:expr;)+) => {
        $($(#[$doc])* pub(crate) fn $method(&self) -> $type { $of(&self.$folder, $place) })+
    };
}

/// The home's path by the options, else by `BOXLITE_HOME`, else `~/.boxlite`.
///
/// # Errors
/// `INVALID_ARGUMENT` if none of them names one.
pub(crate) fn home_of(option: Option<&Path>) -> BoxliteResult<PathBuf> {
    let from_environment =
        || std::env::var_os("BOXLITE_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let default = || std::env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".boxlite"));
    option.map(Path::to_owned).or_else(from_environment).or_else(default).ok_or_else(|| {
        BoxliteError::invalid("open the runtime: no home directory is known")
            .hint("pass `home`, or set BOXLITE_HOME")
    })
}

/// The folders and files of one home.
#[derive(Debug, Clone)]
pub(crate) struct FilesystemLayout {
    home: PathBuf,
}

impl FilesystemLayout {
    /// Makes the home's folders, private to the user. The path becomes absolute and free of links.
    pub(crate) fn create(home: &Path) -> BoxliteResult<Self> {
        // A path that the kernel would refuse in parts must not leave folders behind.
        check_length(home)?;
        make_private(home)?;
        let home = fs::canonicalize(home).map_err(|e| BoxliteError::io("resolve home", home, e))?;
        check_length(&home)?;
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

    places! { PathBuf = Path::join, in home:
        /// Held while names are taken and leftovers cleared.
        lock = "boxlite.lock";
        images = "images";
        disks = "images/disks";
        /// The lock by which starts and pulls lease the root disks that they are about to use.
        disk_leases = "images/disks.lock";
        /// Held by the process that enforces the quota.
        quota_lock = "images/quota.lock";
        logs = "logs";
        boxes = "boxes";
    }

    /// Makes the list of boxes survive a loss of power.
    ///
    /// # Errors
    /// `STORAGE_IO`.
    pub(crate) fn flush_boxes(&self) -> BoxliteResult<()> {
        let folder = self.boxes();
        boxlite_durable::sync_folder(&folder)
            .map_err(|error| BoxliteError::io("flush folder", &folder, error))
    }

    /// The names of the folders that may be boxes.
    ///
    /// # Errors
    /// `STORAGE_IO` if they can't be listed.
    pub(crate) fn box_ids(&self) -> BoxliteResult<Vec<String>> {
        Ok(self.box_folders()?.filter(|name| !name.starts_with(REMOVED)).collect())
    }

    /// The folders of boxes that are being deleted, or were when their remover was killed.
    pub(crate) fn removed_folders(&self) -> BoxliteResult<Vec<PathBuf>> {
        let names = self.box_folders()?.filter(|name| name.starts_with(REMOVED));
        Ok(names.map(|name| self.boxes().join(name)).collect())
    }

    fn box_folders(&self) -> BoxliteResult<impl Iterator<Item = String> + use<>> {
        let folder = self.boxes();
        let entries =
            fs::read_dir(&folder).map_err(|error| BoxliteError::io("list boxes", &folder, error))?;
        Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()))
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

    places! { PathBuf = Path::join, in dir:
        config = "config.json";
        state = "state.json";
        disk = DISK;
        console = "console.log";
        /// Held by whoever changes the box.
        lock = LOCK;
        /// What the box's main process wrote and how it exited; the guest's journal, as the shim appends it.
        journal = "main.log";
        shim_log = "shim.log";
        /// When the shim ends the box, if that has changed since its start.
        deadline = DEADLINE_FILE;
        /// What went through the network since the last start, as the shim last knew it.
        counters = "network.json";
        /// Held by the box's shim and engine.
        shim_lock = "shim.lock";
    }

    /// The folder's name while it is deleted.
    pub(crate) fn removed(&self) -> PathBuf {
        self.dir.with_file_name(format!("{REMOVED}{}", self.id))
    }

    pub(crate) fn create(&self) -> BoxliteResult<()> {
        make_private(&self.dir)
    }

    places! { BoxSocket = BoxSocket::new, in dir:
        portal = "portal.sock";
        ready = "ready.sock";
        /// Where the shim receives the guest's journal.
        journal_socket = "journal.sock";
        /// Where the shim sends the guest the time.
        clock_socket = "clock.sock";
        /// Where the shim takes requests about the network.
        control_socket = "control.sock";
        /// Where the shim takes connections to ports of the box.
        dial_socket = "dial.sock";
        /// Those of a box whose network is the program gvproxy: of frames and of its requests.
        gvproxy_socket = "gvproxy.sock";
        gvproxy_api_socket = "gvproxy-api.sock";
    }

    /// Removes the sockets of an earlier machine.
    pub(crate) fn remove_sockets(&self) {
        let agent = [self.portal(), self.ready(), self.journal_socket(), self.clock_socket()];
        let network =
            [self.control_socket(), self.dial_socket(), self.gvproxy_socket(), self.gvproxy_api_socket()];
        for socket in agent.iter().chain(&network) {
            socket.remove();
        }
    }
}

/// Refuses a home in which some file would have a path that is too long for the kernel.
///
/// # Errors
/// `INVALID_ARGUMENT`.
pub(crate) fn check_length(home: &Path) -> BoxliteResult<()> {
    let (length, most) = (home.as_os_str().len(), PATH_MAX - 1 - BELOW);
    require(length <= most, "home", || format!("its path must have at most {most} bytes: {length}"))
        .map_err(|error| error.hint("choose a `home` with a shorter path"))
}

/// Makes a folder of mode 0700 where there is none.
fn make_private(folder: &Path) -> BoxliteResult<()> {
    modes::make_folder(folder).map_err(|error| BoxliteError::io("make folder", folder, error))
}

/// [`make_private`], and closed to others if it was open to them: a home may be older than this rule, or another user's folder
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_has_any_path_that_leaves_room_for_its_files() {
        let base = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(base.path()).unwrap();
        let home = |length: usize| {
            let fill = length - base.as_os_str().len();
            let names =
                (0..fill / 200).map(|_| "x".repeat(199)).chain([("y").repeat((fill % 200).max(2) - 1)]);
            names.fold(base.clone(), |path, name| path.join(name))
        };
        let longest = PATH_MAX - 1 - BELOW;
        let layout = FilesystemLayout::create(&home(longest)).unwrap();
        let file = layout.images().join("blobs/sha256").join("0".repeat(64) + ".partial");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
        let error = FilesystemLayout::create(&home(longest + 1)).unwrap_err();
        assert_eq!(error.code(), boxlite_error::ErrorCode::InvalidArgument);
        assert!(error.to_string().contains(&longest.to_string()), "{error}");
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
