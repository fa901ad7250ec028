//! The lock of a box: a file that is locked as long as any process of the box runs, and that contains the shim's identity. Called by
//! `machine`; the runtime reads the file and tests the lock.

use std::{
    fmt::Display,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::Path,
    process, thread,
    time::{Duration, Instant},
};

use boxlite_spec::{ShimExit, ShimIdentity, ShimReport};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// How long to wait for the lock. A process that tests whether the box runs holds it for a moment; a running box holds it for longer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The locked file. It is unlocked when this process and all that inherited it have exited.
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Locks the file at `path` and writes this process's identity into it.
    pub(crate) fn take(path: &Path) -> Result<Self, ShimReport> {
        let fail = |what: &dyn Display| {
            ShimReport::new(ShimExit::Resource, format!("lock {}: {what}", path.display()))
        };
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(|error| fail(&error))?;
        let end = Instant::now() + TIMEOUT;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < end => {
                    thread::sleep(Duration::from_millis(2));
                }
                Err(TryLockError::WouldBlock) => return Err(fail(&holder(&mut file))),
                Err(TryLockError::Error(error)) => return Err(fail(&error)),
            }
        }
        write_identity(&mut file).map_err(|error| fail(&error))?;
        Ok(Self(file))
    }
}

/// Says which process holds the lock.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.take(64).read_to_string(&mut text);
    let holder =
        text.parse().map_or_else(|()| "unknown".to_owned(), |found: ShimIdentity| found.pid.to_string());
    format!("held by process {holder}")
}

/// Writes this process's identity. QEMU inherits the lock, so it is free only when no process can write to the box's disks any more,
/// even if the shim is killed before QEMU.
fn write_identity(file: &mut File) -> io::Result<()> {
    fcntl(&*file, FcntlArg::F_SETFD(FdFlag::empty()))?;
    let identity = ShimIdentity::from_stat(process::id(), &fs::read_to_string("/proc/self/stat")?)
        .ok_or_else(|| io::Error::other("/proc/self/stat has no start time"))?;
    file.set_len(0)?;
    // One write, so that no reader gets a part of it.
    file.write_all(format!("{identity}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_and_the_first_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        fs::write(&path, "stale and longer than an identity of two numbers\n").unwrap();
        let first = Lock::take(&path).unwrap();
        let pid = process::id();
        let identity: ShimIdentity = fs::read_to_string(&path).unwrap().parse().unwrap();
        assert_eq!(identity.pid, pid);
        let Err(report) = Lock::take(&path) else { panic!("two locks") };
        assert_eq!(report.exit, ShimExit::Resource);
        assert!(report.message.ends_with(&format!("held by process {pid}")), "{}", report.message);
        drop(first);
        Lock::take(&path).unwrap();
    }
}
