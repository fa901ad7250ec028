//! `boxlite.lock`: one process at a time uses a home. Taken when a runtime opens, released when it closes or dies.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::{BoxliteError, BoxliteResult, ErrorCode};

/// The held lock. The kernel releases it with the file, also when the process is killed.
#[derive(Debug)]
pub(crate) struct HomeLock {
    file: File,
}

impl HomeLock {
    /// Takes the lock, or names the process that has it.
    pub(crate) fn take(path: &Path) -> BoxliteResult<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|error| BoxliteError::io("open lock", path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(&mut file, path)),
            Err(TryLockError::Error(error)) => return Err(BoxliteError::io("lock", path, error)),
        }
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{}", std::process::id()))
            .map_err(|error| BoxliteError::io("write lock", path, error))?;
        Ok(Self { file })
    }
}

impl Drop for HomeLock {
    fn drop(&mut self) {
        // The pid goes before the lock, so that nobody reads the name of a former holder.
        let _ = self.file.set_len(0);
    }
}

fn held(file: &mut File, path: &Path) -> BoxliteError {
    let mut text = String::new();
    let _ = Read::by_ref(file).take(32).read_to_string(&mut text);
    let home = path.parent().unwrap_or(path).display();
    let holder = match text.trim() {
        "" => "another process".to_owned(),
        pid => format!("process {pid}{}", command_of(pid)),
    };
    BoxliteError::new(ErrorCode::HomeLocked, format!("open home `{home}`: in use by {holder}"))
        .hint("close the other runtime, or open this one with a `home` of its own")
}

/// " (node)", where the kernel tells.
fn command_of(pid: &str) -> String {
    if !pid.bytes().all(|b| b.is_ascii_digit()) {
        return String::new();
    }
    std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .map_or(String::new(), |name| format!(" ({})", name.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boxlite.lock");
        let first = HomeLock::take(&path).unwrap();
        let error = HomeLock::take(&path).unwrap_err();
        assert_eq!(error.code(), ErrorCode::HomeLocked);
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        drop(first);
        HomeLock::take(&path).unwrap();
    }
}
