//! Holds: shared locks, by key, on what must not be removed right now. Pulls under way and every [`Image`](crate::Image) hold blobs,
//! and the runtime's starts hold root disks; `store` and the runtime check for holds, of any process, before they remove anything.
//!
//! All processes share one empty file. A key is one byte of it, and a hold is a shared lock on that byte (`F_OFD_SETLK`,
//! fcntl(2)), so it costs no file and ends with its process, however that ends. Within a process holds are counted. A process
//! that holds nothing has the file closed, so that a home which is not in use can be unmounted.

use std::{
    collections::{BTreeSet, HashMap},
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    libc,
};

use crate::{digest::Digest, error::Error};

/// The holds of one file. Cheap to clone; clones share everything. Open each file once in a process.
#[derive(Debug, Clone)]
pub struct Holds(Arc<Wanted>);

#[derive(Debug)]
struct Wanted {
    path: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Open while anything is held.
    file: Option<File>,
    counts: HashMap<String, usize>,
}

/// Keeps the things with its keys from being removed until it is dropped. Two holds always compare equal, since they are no part of
/// what an image is.
#[derive(Debug)]
pub struct Hold {
    holds: Holds,
    keys: BTreeSet<String>,
}

impl Holds {
    /// Uses the file at `path`, and makes it if it is missing.
    ///
    /// # Errors
    /// The file can't be made.
    pub fn open(path: &Path) -> Result<Self, Error> {
        open(path).map_err(|error| Error::storage(format!("open {}", path.display()), error))?;
        Ok(Self(Arc::new(Wanted { path: path.to_owned(), held: Mutex::default() })))
    }

    /// Holds `keys`. Call it before checking whether the things are there. Waits while another process removes one of them.
    ///
    /// # Errors
    /// The file can't be locked.
    pub fn hold(&self, keys: impl IntoIterator<Item = String>) -> Result<Hold, Error> {
        let mut hold = Hold { holds: self.clone(), keys: BTreeSet::new() };
        let mut wanted = self.held();
        for key in keys {
            if !wanted.counts.contains_key(&key) {
                self.lock(&mut wanted, &key, libc::F_RDLCK, true)
                    .map_err(|error| Error::storage(format!("keep {key} from being removed"), error))?;
            }
            if hold.keys.insert(key.clone()) {
                *wanted.counts.entry(key).or_default() += 1;
            }
        }
        Ok(hold)
    }

    /// Whether any process holds `key`.
    pub fn is_held(&self, key: &str) -> bool {
        self.unless_held(key, || ()).is_none()
    }

    /// Runs `work`, such as a removal, unless `key` is held, in which case it returns `None`. Nobody can get a hold meanwhile.
    pub fn unless_held<T>(&self, key: &str, work: impl FnOnce() -> T) -> Option<T> {
        let mut held = self.held();
        if held.counts.contains_key(key) {
            return None;
        }
        let done = self.lock(&mut held, key, libc::F_WRLCK, false).is_ok().then(work);
        self.free(&mut held, key);
        done
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free(&self, held: &mut Held, key: &str) {
        if held.counts.is_empty() {
            // Closing frees every byte.
            held.file = None;
        } else if let Err(error) = self.lock(held, key, libc::F_UNLCK, false) {
            tracing::warn!(key, %error, "a hold could not be released");
        }
    }

    /// Sets the lock on the byte of `key` to one of fcntl(2)'s three kinds.
    fn lock(&self, held: &mut Held, key: &str, kind: impl TryInto<i16>, wait: bool) -> io::Result<()> {
        let file = match &mut held.file {
            Some(file) => file,
            none => none.insert(open(&self.0.path)?),
        };
        let range = libc::flock {
            l_type: kind.try_into().unwrap_or(0),
            l_whence: i16::try_from(libc::SEEK_SET).unwrap_or(0),
            l_start: place(key),
            l_len: 1,
            l_pid: 0,
        };
        loop {
            match fcntl(&*file, command(&range, wait)) {
                Err(Errno::EINTR) => {}
                result => return result.map(drop).map_err(io::Error::from),
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[cfg(target_os = "linux")]
fn command(range: &libc::flock, wait: bool) -> FcntlArg<'_> {
    if wait { FcntlArg::F_OFD_SETLKW(range) } else { FcntlArg::F_OFD_SETLK(range) }
}

/// The process's locks instead of the open file's: the same, as long as the process opens the file once.
#[cfg(not(target_os = "linux"))]
fn command(range: &libc::flock, wait: bool) -> FcntlArg<'_> {
    if wait { FcntlArg::F_SETLKW(range) } else { FcntlArg::F_SETLK(range) }
}

/// The byte that stands for a key: 60 bits of its digest. If two keys share one, a hold of either keeps both.
fn place(key: &str) -> libc::off_t {
    let digest = Digest::of(key.as_bytes());
    libc::off_t::from_str_radix(&digest.hex()[..15], 16).unwrap_or(0)
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.holds.held();
        for key in &self.keys {
            if let Some(count) = held.counts.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    held.counts.remove(key);
                    self.holds.free(&mut held, key);
                }
            }
        }
    }
}

impl PartialEq for Hold {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Hold {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_lasts_until_the_last_holder_drops_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("holds.lock");
        let here = Holds::open(&path).unwrap();
        // Another opening of the file is what another process has.
        let there = Holds::open(&path).unwrap();
        let key = || ["x".to_owned()];
        let first = here.hold(key()).unwrap();
        let second = here.hold(key()).unwrap();
        let foreign = there.hold(key()).unwrap();
        drop(first);
        assert!(here.is_held("x") && there.is_held("x"));
        drop(second);
        assert!(here.is_held("x"), "the other process's");
        drop(foreign);
        assert!(!here.is_held("x") && !there.is_held("x"));
        assert!(!here.is_held("y"));
    }

    #[test]
    fn no_hold_is_taken_during_a_removal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("holds.lock");
        let (here, there) = (Holds::open(&path).unwrap(), Holds::open(&path).unwrap());
        let removed = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            here.unless_held("x", || {
                scope.spawn(|| {
                    let _hold = there.hold(["x".to_owned()]).unwrap();
                    assert!(removed.load(std::sync::atomic::Ordering::SeqCst));
                });
                std::thread::sleep(std::time::Duration::from_millis(50));
                removed.store(true, std::sync::atomic::Ordering::SeqCst);
            })
            .unwrap();
        });
    }
}
