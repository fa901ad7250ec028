//! A box's identity: a file that is locked for as long as any process of the box lives, with the shim's pid in it.
//! Taken by `machine`, looked at by the runtime.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::Path,
    process,
};

use boxlite_spec::{ShimExit, ShimReport};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::report;

/// The locked file; unlocked when the process ends, and the last of those that inherited it.
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Locks the file at `path` and writes this process's pid into it.
    pub(crate) fn take(path: &Path) -> Result<Self, ShimReport> {
        let fail = |what: String| report::new(ShimExit::Resource, format!("lock {}: {what}", path.display()));
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(|error| fail(error.to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(fail(format!("held by process {}", holder(&mut file))));
            }
            Err(TryLockError::Error(error)) => return Err(fail(error.to_string())),
        }
        mark(&mut file).map_err(|error| fail(error.to_string()))?;
        Ok(Self(file))
    }
}

fn holder(file: &mut File) -> String {
    let mut pid = String::new();
    let _ = file.take(32).read_to_string(&mut pid);
    if pid.trim().is_empty() { "unknown".into() } else { pid.trim().to_owned() }
}

/// QEMU inherits the lock: it is free only once nobody can touch the box's disks any more, also when a shim is killed
/// a moment before its QEMU.
fn mark(file: &mut File) -> io::Result<()> {
    fcntl(&*file, FcntlArg::F_SETFD(FdFlag::empty()))?;
    file.set_len(0)?;
    writeln!(file, "{}", process::id())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_second_holder_is_told_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        fs::write(&path, "stale and longer than a pid\n").unwrap();
        let first = Lock::take(&path).unwrap();
        let pid = process::id().to_string();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{pid}\n"));
        let Err(report) = Lock::take(&path) else { panic!("two locks") };
        assert_eq!(report.exit, ShimExit::Resource);
        assert!(report.message.ends_with(&format!("held by process {pid}")), "{}", report.message);
        drop(first);
        Lock::take(&path).unwrap();
    }
}
