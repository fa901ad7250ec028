//! `Files`: the threads that are in the container, and the files that the host has open. Created by the services.
//!
//! A thread enters by itself: `unshare(CLONE_FS)` gives it a root and a working directory of its own, after which
//! `setns(2)` lets it change its mount namespace although the process has other threads. So the agent stays where it is, and no
//! second process or protocol is needed. `threads` starts and ends them.

use std::{
    cell::Cell,
    fs::File,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use boxlite_proto::v1::FileError;
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sched::{CloneFlags, setns, unshare},
    sys::stat::{Mode, umask},
    unistd::{chdir, chroot, fchdir},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    acting::Acting,
    fault::{fault, not_inside},
    handles::Handles,
    threads::Threads,
};
use crate::{
    Context as _, Error, Kind, Result,
    container::{Accounts, User},
};

/// Most operations that occupy a thread for as long as the host takes to read or write: copies and listings.
const LONG: usize = 32;
/// The mask of the container's init.
const UMASK: Mode = Mode::from_bits_truncate(0o022);

thread_local! {
    /// Whether this thread has entered the container. Each of its jobs fails with the error if it has not.
    static ENTERED: Cell<nix::Result<()>> = const { Cell::new(Err(Errno::ENOSYS)) };
}

/// Access to the container's files. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Files(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: Mutex<Option<Threads>>,
    handles: Handles,
    long: Arc<Semaphore>,
    accounts: Mutex<Accounts>,
}

impl Default for Inner {
    fn default() -> Self {
        let long = Arc::new(Semaphore::new(LONG));
        Self { pool: Mutex::default(), handles: Handles::default(), long, accounts: Mutex::default() }
    }
}

/// What a thread enters: the root, the namespace and the working directory of the container's processes.
#[derive(Debug)]
struct Inside {
    namespace: OwnedFd,
    root: OwnedFd,
    cwd: PathBuf,
}

impl Files {
    /// Allows operations, in the container whose init is `init_pid`. Relative paths start at `cwd`.
    ///
    /// # Errors
    ///
    /// The container's init or its namespaces are gone.
    pub fn open(&self, init_pid: u32, cwd: &str) -> Result<()> {
        let at = |name: &str, flags: OFlag| {
            let path = format!("/proc/{init_pid}/{name}");
            open(path.as_str(), flags | OFlag::O_CLOEXEC, Mode::empty()).context(|| format!("open {path}"))
        };
        let inside = Inside {
            namespace: at("ns/mnt", OFlag::O_RDONLY)?,
            root: at("root", OFlag::O_PATH | OFlag::O_DIRECTORY)?,
            cwd: Path::new("/").join(cwd),
        };
        self.start(move || ENTERED.set(inside.enter()));
        Ok(())
    }

    /// Allows operations on this machine itself, without a container.
    ///
    /// # Errors
    /// Fails if the threads can't be started.
    #[cfg(any(test, feature = "testing"))]
    pub fn open_uncontained(&self) -> Result<()> {
        self.start(|| ENTERED.set(Ok(())));
        Ok(())
    }

    fn start(&self, enter: impl Fn() + Send + Sync + 'static) {
        *self.pool() = Some(Threads::new(enter));
    }

    /// Closes the files that the host has open, and refuses further operations. An open file would keep the root disk busy.
    pub fn close(&self) {
        self.0.handles.clear();
        drop(self.pool().take());
    }

    /// The files that the host has open.
    pub(super) fn handles(&self) -> &Handles {
        &self.0.handles
    }

    /// The file behind `handle`.
    pub(super) fn file(&self, handle: u64) -> Result<Arc<File>, FileError> {
        self.0.handles.get(handle)
    }

    /// Runs `job` on a thread inside the container.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, FileError> + Send + 'static,
    ) -> Result<Result<T, FileError>> {
        let (sender, done) = oneshot::channel();
        let started = {
            let pool = self.pool();
            let Some(pool) = pool.as_ref() else {
                return Err(Error::new(Kind::State, "use files: there is no container"));
            };
            pool.run(|| {
                let _ = sender.send(match ENTERED.get() {
                    Ok(()) => job(),
                    Err(errno) => Err(not_inside(errno)),
                });
            })
        };
        if let Err(error) = started {
            let errno = error.raw_os_error().unwrap_or(Errno::EAGAIN as i32);
            return Ok(Err(fault(errno, "clone", Path::new(""))));
        }
        done.await.map_err(|_| Error::new(Kind::State, "use files: the container is ending"))
    }

    /// Runs `job` on a thread inside the container, as the user of that name there. An empty name is root with all capabilities of
    /// the agent.
    pub(super) async fn run_as<T: Send + 'static>(
        &self,
        user: &str,
        job: impl FnOnce() -> Result<T, FileError> + Send + 'static,
    ) -> Result<Result<T, FileError>> {
        if user.is_empty() {
            return self.run(job).await;
        }
        let (inner, user) = (Arc::clone(&self.0), user.to_owned());
        let done = self.run(move || {
            let found = inner.accounts.lock().unwrap_or_else(PoisonError::into_inner).look_up(&user);
            Ok(match found {
                Ok(user) => Ok(acting(&user, job)),
                Err(why) => Err(Error::new(Kind::Invalid, format!("use files as another user: {why}"))),
            })
        });
        match done.await? {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(unknown)) => Err(unknown),
            Err(error) => Ok(Err(error)),
        }
    }

    /// A permit for an operation that occupies a thread for long.
    pub(super) async fn long(&self) -> Result<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.0.long).acquire_owned().await;
        permit.map_err(|_| Error::new(Kind::State, "use files: the container is ending"))
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Option<Threads>> {
        self.0.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `job` as `user`. If the thread can't become root again, all of its further jobs fail.
fn acting<T>(user: &User, job: impl FnOnce() -> Result<T, FileError>) -> Result<T, FileError> {
    let (acting, begun) = Acting::begin(user);
    let done = match begun {
        Ok(()) => job(),
        Err(errno) => Err(fault(errno.raw_os_error(), "setresuid", Path::new(""))),
    };
    if let Err(errno) = acting.end() {
        ENTERED.set(Err(Errno::from_raw(errno.raw_os_error())));
    }
    done
}

impl Inside {
    /// Moves the calling thread, and it alone, into the container.
    fn enter(&self) -> nix::Result<()> {
        unshare(CloneFlags::CLONE_FS)?;
        setns(&self.namespace, CloneFlags::CLONE_NEWNS)?;
        fchdir(&self.root)?;
        chroot(".")?;
        umask(UMASK);
        chdir(&self.cwd).or_else(|_| chdir("/"))
    }
}
