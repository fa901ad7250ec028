//! `fs.cp`: a file or a tree inside the box, by Node's rules for what exists. Called by `call`.
//!
//! Nothing recurses, and both trees are gone through from descriptor to descriptor, so that no depth and no symlink which takes a folder's
//! place leads astray. With a filter, which is JavaScript's, the host asks for one folder at a time (`shallow`).

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    os::{fd::BorrowedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
};

use boxlite_archive::Folders;
use boxlite_proto::v1::{FileError, FileRefusal, FileRequest};
use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags, OFlag, open, openat, readlinkat},
    libc,
    sys::{
        stat::{
            FchmodatFlags, FileStat, Mode, UtimensatFlags, fchmod, fchmodat, fstat, fstatat, futimens,
            mkdirat, utimensat,
        },
        time::TimeSpec,
    },
    unistd::{UnlinkatFlags, symlinkat, unlinkat},
};

use super::{
    call::path_of,
    content::copy_content,
    fault::{Call as _, Outcome, Towards as _, bytes_of, fault},
    lexical::{absolute, is_below, resolved},
    tree::make_directory,
};

/// Bits of `mode`, as Node's `COPYFILE_…`.
const FICLONE_FORCE: u32 = 4;
/// Longest path of the kernel's calls.
const PATH_MAX: usize = 4096;
/// Most bytes of names that wait in all folders on the way down: some two million.
const WAITING: usize = 128 << 20;
/// What a name that waits takes besides its own bytes.
const NAME: usize = 40;

/// Copies `request.path` to `request.to`, or of the folder `path` only what `names` says. With `shallow` a folder is made and not filled;
/// the answer has a byte for each thing that was asked for, 1 where it is a folder that is to be filled.
pub(super) fn copy(request: &FileRequest) -> Outcome<Vec<u8>> {
    let rules = Rules::of(request);
    let (from, to) = (path_of(&request.path), path_of(&request.to));
    if request.mode & FICLONE_FORCE != 0 {
        // The box's file systems share no blocks.
        return Err(fault(libc::ENOTSUP, "copyfile", from)).towards(to);
    }
    if request.names.is_empty() {
        return Ok(vec![u8::from(rules.copy(from, to)?)]);
    }
    let mut folders = Vec::with_capacity(request.names.len());
    let mut copying = Copying::between(rules, from, to)?;
    let mut folder_of = |name: &OsStr| -> Outcome<bool> {
        let Some(made) = copying.entry(name)? else { return Ok(false) };
        copying.end(made)?;
        copying.leave().map(|()| true)
    };
    for name in &request.names {
        let name = OsStr::from_bytes(name);
        let plain = !name.is_empty() && !name.as_bytes().contains(&b'/') && name != "." && name != "..";
        if !plain {
            return Err(fault(libc::EINVAL, "cp", Path::new(name)));
        }
        folders.push(u8::from(folder_of(name)?));
    }
    Ok(folders)
}

#[allow(clippy::struct_excessive_bools, reason = "the options of cp, each its own")]
#[derive(Debug, Clone, Copy)]
struct Rules {
    recursive: bool,
    overwrite: bool,
    exclusive: bool,
    follow: bool,
    times: bool,
    verbatim: bool,
    shallow: bool,
}

impl Rules {
    fn of(request: &FileRequest) -> Self {
        Self {
            recursive: request.recursive,
            overwrite: request.force,
            exclusive: request.exclusive,
            follow: request.follow,
            times: request.preserve,
            verbatim: request.verbatim,
            shallow: request.shallow,
        }
    }

    fn flags(self) -> AtFlags {
        if self.follow { AtFlags::empty() } else { AtFlags::AT_SYMLINK_NOFOLLOW }
    }

    /// The whole of `from`; answers whether it is a folder.
    fn copy(self, from: &Path, to: &Path) -> Outcome<bool> {
        let (source, target) = (absolute(from).call("cp", from)?, absolute(to).call("cp", to)?);
        let meta = fstatat(AT_FDCWD, from, self.flags()).call("cp", from).towards(to)?;
        let present = self.present(AT_FDCWD, to.as_os_str()).call("cp", from).towards(to)?;
        check(&meta, present.as_ref(), from, to)?;
        if is_folder(&meta) {
            if is_below(&source, &target) || Self::leads_into(&meta, &source, &target) {
                let message =
                    format!("cannot copy {} to a subdirectory of self {}", from.display(), to.display());
                return Err(refusal(FileRefusal::ErrFsCpEinval, libc::EINVAL, message, to));
            }
            if !self.recursive {
                let message = format!("{} is a directory (not copied)", from.display());
                return Err(refusal(FileRefusal::ErrFsEisdir, libc::EISDIR, message, from));
            }
        }
        if let Some(parent) = target.parent() {
            make_directory(parent, 0o777, true)?;
        }
        // What the paths name is an entry of the folders that they lie in.
        if is_folder(&meta) {
            return self.whole(from, to, present.is_none());
        }
        let (Some(name), Some(last)) = (source.file_name(), target.file_name()) else {
            return Err(fault(libc::EINVAL, "cp", from)).towards(to);
        };
        let above = |path: &Path| path.parent().unwrap_or(Path::new("/")).to_owned();
        let copying = Copying::between(self, &above(&source), &above(&target))?;
        copying.one(name, last, &meta, present.as_ref()).map(|()| false)
    }

    /// A folder and all that is in it.
    fn whole(self, from: &Path, to: &Path, missing: bool) -> Outcome<bool> {
        if missing {
            mkdirat(AT_FDCWD, to, Mode::from_bits_truncate(0o777)).call("mkdir", from).towards(to)?;
        } else if self.exclusive {
            return Err(exists(to));
        }
        let mut copying = Copying::between(self, from, to)?;
        if self.shallow {
            copying.end(missing)?;
        } else {
            copying.fill(missing)?;
        }
        Ok(true)
    }

    fn present(self, folder: BorrowedFd<'_>, name: &OsStr) -> nix::Result<Option<FileStat>> {
        match fstatat(folder, name, self.flags()) {
            Err(Errno::ENOENT) => Ok(None),
            stat => stat.map(Some),
        }
    }

    /// Whether what exists of `target` lies in the folder `source`, whatever its path says.
    fn leads_into(meta: &FileStat, source: &Path, target: &Path) -> bool {
        let inside = |path: &Path| {
            fs::canonicalize(source)
                .is_ok_and(|source| fs::canonicalize(path).is_ok_and(|path| path.starts_with(source)))
        };
        let is_source = |path: &&Path| {
            fstatat(AT_FDCWD, *path, AtFlags::empty())
                .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (meta.st_dev, meta.st_ino))
        };
        let existing = target.ancestors().find(|path| path.exists());
        existing.is_some_and(inside) || target.ancestors().skip(1).any(|path| is_source(&path))
    }
}

/// Two folders and the way down both.
struct Copying {
    rules: Rules,
    from: Folders,
    to: Folders,
    /// Where the ways begin.
    source: PathBuf,
    target: PathBuf,
    /// The destination, which must not be found in the source.
    forbidden: (u64, u64),
    /// Bytes of the names that are still to come.
    waiting: usize,
}

/// A folder that is being filled.
struct Level {
    names: Vec<OsString>,
    /// Whether it was made for that; one that was there keeps its mode.
    made: bool,
}

impl Copying {
    fn between(rules: Rules, from: &Path, to: &Path) -> Outcome<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let source = open(from, flags, Mode::empty()).call("scandir", from)?;
        let target = open(to, flags | OFlag::O_PATH, Mode::empty()).call("open", to)?;
        let to_folders = Folders::new(target, OFlag::O_PATH).call("open", to)?;
        Ok(Self {
            rules,
            from: Folders::new(source, OFlag::empty()).call("scandir", from)?,
            forbidden: to_folders.identity(),
            to: to_folders,
            source: absolute(from).call("cp", from)?,
            target: absolute(to).call("cp", to)?,
            waiting: 0,
        })
    }

    fn source_shown(&self, name: &OsStr) -> PathBuf {
        self.from.shown(&self.source, name)
    }

    fn target_shown(&self, name: &OsStr) -> PathBuf {
        self.to.shown(&self.target, name)
    }

    fn failed(&self, errno: Errno, syscall: &str, name: &OsStr) -> FileError {
        FileError {
            to: bytes_of(&self.target_shown(name)),
            ..fault(errno as i32, syscall, &self.source_shown(name))
        }
    }

    /// Fills the folder at hand.
    fn fill(&mut self, made: bool) -> Outcome<()> {
        let mut levels = vec![Level { names: self.names()?, made }];
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.names.pop() {
                self.waiting -= NAME + name.len();
                if let Some(made) = self.entry(&name)? {
                    levels.push(Level { names: self.names()?, made });
                }
                continue;
            }
            self.end(level.made)?;
            levels.pop();
            if !levels.is_empty() {
                self.leave()?;
            }
        }
        Ok(())
    }

    /// The names in the source's folder at hand, the first one last.
    fn names(&mut self) -> Outcome<Vec<OsString>> {
        let mut waiting = self.waiting;
        let failed = |errno| self.failed(errno, "scandir", OsStr::new(""));
        let folder = openat(self.from.here(), ".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
        let mut names = Vec::new();
        for entry in folder.and_then(Dir::from_fd).map_err(failed)?.iter() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(OsStr::from_bytes(name).to_owned());
                waiting += NAME + name.len();
                if waiting > WAITING {
                    return Err(failed(Errno::ENOMEM));
                }
            }
        }
        names.sort_unstable_by(|one, other| other.cmp(one));
        self.waiting = waiting;
        Ok(names)
    }

    /// Copies what has `name` in both folders at hand. Of a folder it goes into both, and answers whether it made the one.
    fn entry(&mut self, name: &OsStr) -> Outcome<Option<bool>> {
        let failed = |this: &Self, errno| this.failed(errno, "cp", name);
        let meta =
            fstatat(self.from.here(), name, self.rules.flags()).map_err(|errno| failed(self, errno))?;
        let present = self.rules.present(self.to.here(), name).map_err(|errno| failed(self, errno))?;
        check(&meta, present.as_ref(), &self.source_shown(name), &self.target_shown(name))?;
        if !is_folder(&meta) {
            return self.one(name, name, &meta, present.as_ref()).map(|()| None);
        }
        if (meta.st_dev, meta.st_ino) == self.forbidden {
            let message = format!("cannot copy {} to a subdirectory of self", self.source.display());
            let target = &self.target;
            return Err(refusal(FileRefusal::ErrFsCpEinval, libc::EINVAL, message, target));
        }
        if self.rules.follow && self.from.holds((meta.st_dev, meta.st_ino)) {
            // A symlink leads back to a folder that it lies in.
            return Err(failed(self, Errno::ELOOP));
        }
        let missing = present.is_none();
        if missing {
            let mode = Mode::from_bits_truncate(0o777);
            mkdirat(self.to.here(), name, mode).map_err(|errno| self.failed(errno, "mkdir", name))?;
        } else if self.rules.exclusive {
            return Err(exists(&self.target_shown(name)));
        }
        let follow = self.rules.follow;
        enter(&mut self.from, name, follow, OFlag::empty()).map_err(|errno| failed(self, errno))?;
        enter(&mut self.to, name, follow, OFlag::O_PATH).map_err(|errno| failed(self, errno))?;
        Ok(Some(missing))
    }

    /// The folder at hand is filled, or is not to be.
    fn end(&self, is_new: bool) -> Outcome<()> {
        let itself = OsStr::new("");
        let meta = fstat(self.from.here()).map_err(|errno| self.failed(errno, "cp", itself))?;
        if self.rules.times && !self.rules.shallow {
            let (atime, mtime) = times(&meta);
            utimensat(self.to.here(), ".", &atime, &mtime, UtimensatFlags::FollowSymlink)
                .map_err(|errno| self.failed(errno, "utime", itself))?;
        }
        if is_new {
            let mode = Mode::from_bits_truncate(meta.st_mode & 0o7777);
            fchmodat(self.to.here(), ".", mode, FchmodatFlags::FollowSymlink)
                .map_err(|errno| self.failed(errno, "chmod", itself))?;
        }
        Ok(())
    }

    fn leave(&mut self) -> Outcome<()> {
        let left = self.from.leave().and_then(|_| self.to.leave());
        left.map(drop).map_err(|errno| self.failed(errno, "cp", OsStr::new("..")))
    }

    /// What is no folder: `name` in the source's folder becomes `last` in the other.
    fn one(&self, name: &OsStr, last: &OsStr, meta: &FileStat, present: Option<&FileStat>) -> Outcome<()> {
        let (from, to) = (self.source_shown(name), self.target_shown(last));
        match meta.st_mode & libc::S_IFMT {
            libc::S_IFREG if present.is_some() && !self.rules.overwrite => {
                if self.rules.exclusive {
                    Err(exists(&to))
                } else {
                    Ok(())
                }
            }
            libc::S_IFREG => {
                let copied = self.file(name, last);
                copied.map_err(|errno| fault(errno as i32, "copyfile", &from)).towards(&to)
            }
            libc::S_IFLNK => self.link(name, last, present),
            kind => {
                let (code, what) = match kind {
                    libc::S_IFSOCK => (FileRefusal::ErrFsCpSocket, "a socket file"),
                    libc::S_IFIFO => (FileRefusal::ErrFsCpFifoPipe, "a FIFO pipe"),
                    // A device has no end.
                    _ => (FileRefusal::ErrFsCpUnknown, "an unknown file type"),
                };
                Err(refusal(code, libc::EINVAL, format!("cannot copy {what}: {}", to.display()), &to))
            }
        }
    }

    /// A file takes the place of what is no folder, a symlink included, which is not written through.
    fn file(&self, name: &OsStr, last: &OsStr) -> nix::Result<()> {
        let nofollow = if self.rules.follow { OFlag::empty() } else { OFlag::O_NOFOLLOW };
        let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let source = File::from(openat(self.from.here(), name, flags | nofollow, Mode::empty())?);
        let meta = fstat(&source)?;
        let mode = Mode::from_bits_truncate(meta.st_mode & 0o7777);
        match unlinkat(self.to.here(), last, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
        let flags = flags | OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        let target = File::from(openat(self.to.here(), last, flags, mode)?);
        let filled = copy_content(&source, &target).map_err(|error| raw(&error)).and_then(|()| {
            fchmod(&target, mode)?;
            if self.rules.times {
                let (atime, mtime) = times(&fstat(&source)?);
                futimens(&target, &atime, &mtime)?;
            }
            Ok(())
        });
        if filled.is_err() {
            // Half a file is none.
            let _ = unlinkat(self.to.here(), last, UnlinkatFlags::NoRemoveDir);
        }
        filled
    }

    /// A symlink leads where it led, from wherever it lies now, unless it is wanted as it is written.
    fn link(&self, name: &OsStr, last: &OsStr, present: Option<&FileStat>) -> Outcome<()> {
        let to = self.target_shown(last);
        let written =
            readlinkat(self.from.here(), name).map_err(|errno| self.failed(errno, "readlink", name))?;
        let written = Path::new(&written);
        let whole = |root: &Path, folders: &Folders, name: &OsStr| {
            let path = root.iter().chain(folders.names()).chain([name]).collect::<PathBuf>();
            // What a symlink leads to can't be said in a longer path.
            let fits = path.as_os_str().len() < PATH_MAX;
            if fits { Ok(path) } else { Err(self.failed(Errno::ENAMETOOLONG, "symlink", name)) }
        };
        let as_written = self.rules.verbatim || written.is_absolute();
        let leads = if as_written && present.is_none() {
            PathBuf::new()
        } else {
            resolved(&whole(&self.source, &self.from, name)?, written)
        };
        let target = if as_written { written } else { leads.as_path() };
        if present.is_some_and(|present| present.st_mode & libc::S_IFMT == libc::S_IFLNK) {
            let other =
                readlinkat(self.to.here(), last).map_err(|errno| self.failed(errno, "readlink", name))?;
            let other = resolved(&whole(&self.target, &self.to, last)?, Path::new(&other));
            if leads.is_dir() && leads != other {
                if is_below(&leads, &other) {
                    let message = format!(
                        "cannot copy {} to a subdirectory of self {}",
                        leads.display(),
                        other.display()
                    );
                    return Err(refusal(FileRefusal::ErrFsCpEinval, libc::EINVAL, message, &to));
                }
                // What the source's link leads to would be gone with the other.
                if is_below(&other, &leads) {
                    let message = format!("cannot overwrite {} with {}", other.display(), leads.display());
                    let code = FileRefusal::ErrFsCpSymlinkToSubdirectory;
                    return Err(refusal(code, libc::EINVAL, message, &to));
                }
            }
            unlinkat(self.to.here(), last, UnlinkatFlags::NoRemoveDir)
                .map_err(|errno| self.failed(errno, "unlink", last))?;
        }
        // Over anything else it is EEXIST.
        symlinkat(target, self.to.here(), last).call("symlink", target).towards(&to)
    }
}

/// What may not be copied over what.
fn check(meta: &FileStat, present: Option<&FileStat>, from: &Path, to: &Path) -> Outcome<()> {
    let Some(present) = present else { return Ok(()) };
    let (source, target) = (from.display(), to.display());
    if (present.st_dev, present.st_ino) == (meta.st_dev, meta.st_ino) {
        let message = String::from("src and dest cannot be the same");
        return Err(refusal(FileRefusal::ErrFsCpEinval, libc::EINVAL, message, to));
    }
    match (is_folder(meta), is_folder(present)) {
        (true, false) => {
            let message = format!("cannot overwrite non-directory {target} with directory {source}");
            Err(refusal(FileRefusal::ErrFsCpDirToNonDir, libc::EISDIR, message, to))
        }
        (false, true) => {
            let message = format!("cannot overwrite directory {target} with non-directory {source}");
            Err(refusal(FileRefusal::ErrFsCpNonDirToDir, libc::ENOTDIR, message, to))
        }
        _ => Ok(()),
    }
}

/// Goes into a folder, through a symlink where those are followed.
fn enter(folders: &mut Folders, name: &OsStr, follow: bool, flags: OFlag) -> nix::Result<()> {
    match folders.enter(name) {
        Err(Errno::ENOTDIR | Errno::ELOOP) if follow => {
            let flags = flags | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let folder = openat(folders.here(), name, flags, Mode::empty())?;
            folders.enter_linked(name, folder)
        }
        entered => entered,
    }
}

fn is_folder(meta: &FileStat) -> bool {
    meta.st_mode & libc::S_IFMT == libc::S_IFDIR
}

fn times(meta: &FileStat) -> (TimeSpec, TimeSpec) {
    (TimeSpec::new(meta.st_atime, meta.st_atime_nsec), TimeSpec::new(meta.st_mtime, meta.st_mtime_nsec))
}

fn raw(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

fn exists(path: &Path) -> FileError {
    refusal(FileRefusal::ErrFsCpEexist, libc::EEXIST, format!("{} already exists", path.display()), path)
}

/// What no kernel refuses but Node.
fn refusal(code: FileRefusal, errno: i32, message: String, path: &Path) -> FileError {
    FileError { refusal: code.into(), message, ..fault(errno, "cp", path) }
}
