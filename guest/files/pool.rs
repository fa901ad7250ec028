//! `Files`: the threads that are in the container, and the files that the host has open. Created by the services.
//!
//! A thread enters by itself: `unshare(CLONE_FS)` gives it a root and a working directory of its own, after which
//! `setns(2)` lets it change its mount namespace although the process has other threads. So the agent stays where it is, and no
//! second process or protocol is needed. `threads` starts and ends them.

use std::{
    cell::Cell,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use boxlite_proto::v1::FileError;
use bytes::Bytes;
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sched::{CloneFlags, setns, unshare},
    sys::stat::{Mode, umask},
    unistd::{chdir, chroot, fchdir},
};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    acting::Acting,
    fault::{Call as _, Fault, Outcome},
    handles::Handles,
    threads::Threads,
};
use crate::{
    Context as _, Error, Kind, Result,
    container::{Accounts, User, install_authorities},
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
#[derive(Clone, Default)]
pub struct Files(Arc<Inner>);

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
        *self.0.pool.lock() = Some(Threads::new(enter));
    }

    /// Closes the files that the host has open, and refuses further operations. An open file would keep the root disk busy.
    pub fn close(&self) {
        self.0.handles.clear();
        drop(self.0.pool.lock().take());
    }

    /// The files that the host has open.
    pub(super) fn handles(&self) -> &Handles {
        &self.0.handles
    }

    /// Runs `job` on a thread inside the container.
    pub(super) async fn run<T: Send + 'static, E: Into<Fault>>(
        &self,
        job: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, Fault> {
        let (sender, done) = oneshot::channel();
        let inside = || {
            let entered = ENTERED.get().call("setns", Path::new("/")).map_err(Fault::from);
            let _ = sender.send(entered.and_then(|()| job().map_err(E::into)));
        };
        let started = match &*self.0.pool.lock() {
            Some(pool) => pool.run(inside),
            None => return Err(Error::new(Kind::State, "use files: there is no container").into()),
        };
        started.call("clone", Path::new(""))?;
        done.await.map_err(|_| ending())?
    }

    /// Runs `job` on a thread inside the container, as the user of that name there. An empty name is root with all capabilities of
    /// the agent.
    pub(super) async fn run_as<T: Send + 'static>(
        &self,
        user: &str,
        job: impl FnOnce() -> Outcome<T> + Send + 'static,
    ) -> Result<T, Fault> {
        if user.is_empty() {
            return self.run(job).await;
        }
        let (inner, user) = (Arc::clone(&self.0), user.to_owned());
        let acting = move || {
            let found = inner.accounts.lock().look_up(&user);
            let unknown = |why| Error::new(Kind::Invalid, format!("use files as another user: {why}"));
            Ok::<_, Fault>(acting(&found.map_err(unknown)?, job)?)
        };
        self.run(acting).await
    }

    /// Puts certificates of authorities into the stores of the container, beside those of its image.
    ///
    /// # Errors
    ///
    /// A store can't be changed, or there is no container.
    pub async fn trust(&self, certificates: Bytes) -> Result<()> {
        self.run(move || install_authorities(&certificates)).await.map_err(|fault| match fault {
            Fault::Agent(error) => error,
            Fault::Call(FileError { syscall, errno, .. }) => Error::new(
                Kind::System,
                format!("add authorities to the box's store: {syscall} failed with errno {errno}"),
            ),
        })
    }

    /// A permit for an operation that occupies a thread for long.
    pub(super) async fn long(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.0.long).acquire_owned().await.map_err(|_| ending())
    }
}

fn ending() -> Error {
    Error::new(Kind::State, "use files: the container is ending")
}

/// Runs `job` as `user`. If the thread can't become root again, all of its further jobs fail.
fn acting<T>(user: &User, job: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let (acting, begun) = Acting::begin(user);
    let done = begun.call("setresuid", Path::new("")).and_then(|()| job());
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
