//! A box's identity: a file that is locked for as long as any process of the box lives, and that names the shim. Taken by
//! `machine`, looked at by the runtime.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::Path,
    process, thread,
    time::{Duration, Instant},
};

use boxlite_spec::{ShimExit, ShimIdentity, ShimReport};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::report;

/// Whoever asks whether a box runs holds its lock for a moment; a box that runs holds it for longer than this.
const PATIENCE: Duration = Duration::from_secs(1);

/// The locked file; unlocked when the process ends, and the last of those that inherited it.
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Locks the file at `path` and writes this process's identity into it.
    pub(crate) fn take(path: &Path) -> Result<Self, ShimReport> {
        let fail = |what: String| report::new(ShimExit::Resource, format!("lock {}: {what}", path.display()));
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(|error| fail(error.to_string()))?;
        let end = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < end => {
                    thread::sleep(Duration::from_millis(2));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(fail(format!("held by process {}", holder(&mut file))));
                }
                Err(TryLockError::Error(error)) => return Err(fail(error.to_string())),
            }
        }
        mark(&mut file).map_err(|error| fail(error.to_string()))?;
        Ok(Self(file))
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.take(64).read_to_string(&mut text);
    text.parse().map_or_else(|()| "unknown".to_owned(), |holder: ShimIdentity| holder.pid.to_string())
}

/// QEMU inherits the lock: it is free only once nobody can touch the box's disks any more, also when a shim is killed
/// a moment before its QEMU.
fn mark(file: &mut File) -> io::Result<()> {
    fcntl(&*file, FcntlArg::F_SETFD(FdFlag::empty()))?;
    let identity = ShimIdentity::from_stat(process::id(), &fs::read_to_string("/proc/self/stat")?)
        .ok_or_else(|| io::Error::other("/proc/self/stat has no start time"))?;
    file.set_len(0)?;
    // At once, so that nobody reads half of it.
    file.write_all(format!("{identity}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_of_the_first() {
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
