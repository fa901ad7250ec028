//! Files that the runtime writes into the rootfs, /etc/hosts and /etc/hostname, unless somebody else has changed them.
//!
//! Called by `init` after `pivot_root`. The digests of what was written are stored in an extended attribute of the root directory,
//! so they are on the box's own disk. At the first start our files replace those of the image, as docker's do. Later a file is
//! written only if it is missing or still has what we wrote, and its mode and owner are kept.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _, Write as _},
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use boxlite_proto::v1::File;
use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2},
    sys::stat::{FileStat, Mode, fchmod, fstat, mkdirat},
    unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat},
};
use sha2::{Digest as _, Sha256};

use crate::{Context as _, Result};

/// Mode of a file whose request names none.
const DEFAULT_MODE: u32 = 0o644;

/// The attribute of "/" that records what was written: a line of digest and path for each file. It is of the `trusted` class,
/// which only `CAP_SYS_ADMIN` can see.
const RECORD: &str = "trusted.boxlite.files";

/// Most bytes of a file that is compared with ours.
const LONGEST: u64 = 64 * 1024;

/// Digests by path.
type Record = BTreeMap<String, String>;

/// Writes those of `files` that are to be written. The caller's root is the rootfs.
pub(super) fn write(files: &[File]) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let known = read_record();
    let mut record = known.clone();
    for file in files {
        write_one(Path::new("/"), file, &mut record)
            .context(|| format!("write file {:?} in the rootfs", file.path))?;
    }
    if record == known {
        return Ok(());
    }
    let lines: Vec<String> = record.iter().map(|(path, digest)| format!("{digest} {path}")).collect();
    match xattr::set("/", RECORD, lines.join("\n").as_bytes()) {
        // On a root without attributes the files are written anew at each start.
        Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => Ok(()),
        set => set.context(|| "record the files of the rootfs"),
    }
}

fn read_record() -> Record {
    let value = xattr::get("/", RECORD).ok().flatten().unwrap_or_default();
    let text = String::from_utf8(value).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(digest, path)| (path.into(), digest.into()))
        .collect()
}

/// Writes `file` below `root` unless somebody else's is there, and records its digest.
fn write_one(root: &Path, file: &File, record: &mut Record) -> io::Result<()> {
    let path = Path::new(&file.path);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the absolute path of a file"));
    };
    let name = Path::new(name);
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = openat(AT_FDCWD, root, flags, Mode::empty())?;
    let folder = folder(&root, parent)?;
    let wanted = digest(&file.content);
    let present = inspect(&folder, name)?;
    let written = record.get(&file.path);
    let kept = match (&present, written) {
        (Present::File(found, _), _) if *found == wanted => {
            record.insert(file.path.clone(), wanted);
            return Ok(());
        }
        // An empty file is written too: the machine may have ended after it was made and before it was written.
        (Present::Missing | Present::Empty, _) | (Present::File(..) | Present::Other, None) => None,
        (Present::File(found, stat), Some(written)) if found == written => Some(stat),
        // The file is somebody else's.
        (Present::File(..) | Present::Other, Some(_)) | (Present::Folder, _) => return Ok(()),
    };
    replace(&folder, name, file, kept)?;
    record.insert(file.path.clone(), wanted);
    Ok(())
}

/// What exists at the path of a file.
enum Present {
    Missing,
    Empty,
    /// A regular file that may be ours, by digest.
    File(String, FileStat),
    Folder,
    /// Anything else, such as a symlink, which is never followed, or a file that is longer than ours.
    Other,
}

fn inspect(folder: impl AsFd, name: &Path) -> io::Result<Present> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let opened = match openat(folder, name, flags, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(Present::Missing),
        // A symlink, a socket, or a device that does not exist or is forbidden.
        Err(_) => return Ok(Present::Other),
        Ok(opened) => fs::File::from(opened),
    };
    let meta = opened.metadata()?;
    if meta.is_dir() {
        return Ok(Present::Folder);
    }
    if !meta.is_file() || meta.len() > LONGEST {
        return Ok(Present::Other);
    }
    let stat = fstat(&opened)?;
    let mut content = Vec::new();
    opened.take(LONGEST).read_to_end(&mut content)?;
    if content.is_empty() {
        return Ok(Present::Empty);
    }
    Ok(Present::File(digest(&content), stat))
}

/// Replaces the file by a new one, since the old one may have other links. `kept` has the owner and the mode.
fn replace(folder: &OwnedFd, name: &Path, file: &File, kept: Option<&FileStat>) -> io::Result<()> {
    match unlinkat(folder, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::ENOENT) => {}
        removed => removed?,
    }
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut target = fs::File::from(openat(folder, name, flags, Mode::from_bits_truncate(0o600))?);
    target.write_all(&file.content)?;
    if let Some(stat) = kept {
        fchown(&target, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    }
    let mode = match (kept, file.mode) {
        (Some(stat), _) => stat.st_mode,
        (None, 0) => DEFAULT_MODE,
        (None, mode) => mode,
    };
    Ok(fchmod(&target, Mode::from_bits_truncate(mode & 0o7777))?)
}

/// Opens the folder `path` below `root`, which is made if it is missing. Symlinks lead no further than `root`, and those of /proc
/// are not followed, since the working directory is still the agent's.
fn folder(root: &OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let (parent, name) = match (openat2(root, path, how), path.parent(), path.file_name()) {
        (Err(Errno::ENOENT), Some(parent), Some(name)) => (folder(root, parent)?, name),
        (opened, ..) => return opened,
    };
    mkdirat(&parent, Path::new(name), Mode::from_bits_truncate(0o755))?;
    openat2(root, path, how)
}

fn digest(content: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(content).iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    struct Rootfs(tempfile::TempDir, Record);

    impl Rootfs {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("tempdir"), Record::new())
        }

        fn start(&mut self, content: &str) -> io::Result<()> {
            let file =
                File { path: "/etc/hosts".into(), content: content.as_bytes().to_vec().into(), mode: 0o644 };
            write_one(self.0.path(), &file, &mut self.1)
        }

        fn hosts(&self) -> std::path::PathBuf {
            self.0.path().join("etc/hosts")
        }

        fn text(&self) -> String {
            fs::read_to_string(self.hosts()).expect("read")
        }

        fn mode(&self) -> u32 {
            fs::metadata(self.hosts()).expect("stat").permissions().mode() & 0o7777
        }
    }

    #[test]
    fn the_first_start_replaces_what_the_image_has() {
        let mut rootfs = Rootfs::new();
        rootfs.start("ours").expect("into nothing");
        assert_eq!((rootfs.text().as_str(), rootfs.mode()), ("ours", 0o644));

        let mut rootfs = Rootfs::new();
        fs::create_dir(rootfs.0.path().join("etc")).expect("mkdir");
        fs::write(rootfs.0.path().join("other"), "other").expect("write");
        symlink("../other", rootfs.hosts()).expect("symlink");
        rootfs.start("ours").expect("over a link");
        assert!(fs::symlink_metadata(rootfs.hosts()).expect("stat").is_file());
        assert_eq!(fs::read_to_string(rootfs.0.path().join("other")).expect("read"), "other");
    }

    #[test]
    fn a_file_that_was_edited_stays() {
        let mut rootfs = Rootfs::new();
        rootfs.start("ours").expect("first");
        fs::write(rootfs.hosts(), "theirs").expect("edit");
        rootfs.start("ours").expect("again");
        rootfs.start("new").expect("with another name");
        assert_eq!(rootfs.text(), "theirs");
        // Replaced as editors do, and by a link.
        fs::remove_file(rootfs.hosts()).expect("remove");
        symlink("/etc/theirs", rootfs.hosts()).expect("symlink");
        rootfs.start("new").expect("again");
        assert!(fs::symlink_metadata(rootfs.hosts()).expect("stat").is_symlink());
        fs::remove_file(rootfs.hosts()).expect("remove");
        fs::write(rootfs.hosts(), vec![b'x'; 100_000]).expect("a long one");
        rootfs.start("new").expect("again");
        assert_eq!(rootfs.text().len(), 100_000);
    }

    #[test]
    fn a_file_that_is_still_ours_is_updated_and_keeps_its_mode() {
        let mut rootfs = Rootfs::new();
        rootfs.start("ours").expect("first");
        fs::set_permissions(rootfs.hosts(), fs::Permissions::from_mode(0o664)).expect("chmod");
        rootfs.start("ours").expect("again");
        assert_eq!((rootfs.text().as_str(), rootfs.mode()), ("ours", 0o664));
        rootfs.start("new").expect("with another name");
        assert_eq!((rootfs.text().as_str(), rootfs.mode()), ("new", 0o664));
    }

    #[test]
    fn a_file_that_is_missing_or_empty_is_written() {
        let mut rootfs = Rootfs::new();
        rootfs.start("ours").expect("first");
        fs::write(rootfs.hosts(), "").expect("empty it");
        rootfs.start("ours").expect("again");
        assert_eq!(rootfs.text(), "ours");
        fs::remove_dir_all(rootfs.0.path().join("etc")).expect("remove");
        rootfs.start("ours").expect("again");
        assert_eq!(rootfs.text(), "ours");
    }

    #[test]
    fn no_link_of_the_image_leads_out_of_it() {
        let outside = tempfile::tempdir().expect("tempdir");
        let mut rootfs = Rootfs::new();
        symlink(outside.path(), rootfs.0.path().join("etc")).expect("symlink");
        // Absolute links begin at the rootfs, where this one leads nowhere.
        rootfs.start("ours").expect_err("a dangling /etc");
        assert_eq!(fs::read_dir(outside.path()).expect("list").count(), 0);
        fs::remove_file(rootfs.0.path().join("etc")).expect("remove");
        symlink("/proc/self/cwd", rootfs.0.path().join("etc")).expect("symlink");
        rootfs.start("ours").expect_err("no /proc in there");
        fs::remove_file(rootfs.0.path().join("etc")).expect("remove");
        fs::create_dir(rootfs.0.path().join("conf")).expect("mkdir");
        symlink("../../conf", rootfs.0.path().join("etc")).expect("symlink");
        rootfs.start("ours").expect("within");
        let written = fs::read_to_string(rootfs.0.path().join("conf/hosts"));
        assert_eq!(written.expect("read"), "ours");
    }

    #[test]
    fn a_folder_in_its_place_stays() {
        let mut rootfs = Rootfs::new();
        fs::create_dir_all(rootfs.hosts()).expect("mkdir");
        rootfs.start("ours").expect("left alone");
        assert!(rootfs.hosts().is_dir());
    }
}
