//! The files that the host has open, by number. Filled by `call`, emptied when the machine ends.

use std::{collections::HashMap, fs::File, path::Path, sync::Arc};

use boxlite_wire::limits;
use nix::libc;
use parking_lot::Mutex;

use super::fault::{Outcome, fault};

/// The open files. No number is used twice, and 0 is none.
#[derive(Debug, Default)]
pub(super) struct Handles(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    last: u64,
    files: HashMap<u64, Arc<File>>,
}

impl Handles {
    pub(super) fn add(&self, file: File) -> Outcome<u64> {
        let mut table = self.0.lock();
        if table.files.len() >= limits::OPEN_FILES {
            return Err(fault(libc::EMFILE, "open", Path::new("")));
        }
        table.last += 1;
        let handle = table.last;
        table.files.insert(handle, Arc::new(file));
        Ok(handle)
    }

    /// The file behind `handle`. If it is not open, that is a failure of `syscall`.
    pub(super) fn get(&self, handle: u64, syscall: &str) -> Outcome<Arc<File>> {
        self.0.lock().files.get(&handle).cloned().ok_or_else(|| fault(libc::EBADF, syscall, Path::new("")))
    }

    pub(super) fn remove(&self, handle: u64) -> Outcome<()> {
        let removed = self.0.lock().files.remove(&handle);
        removed.map(drop).ok_or_else(|| fault(libc::EBADF, "close", Path::new("")))
    }

    pub(super) fn clear(&self) {
        self.0.lock().files.clear();
    }
}
