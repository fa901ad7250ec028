//! The files that the host has open, by number. Filled by `call`, emptied when the machine ends.

use std::{
    collections::HashMap,
    fs::File,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use boxlite_proto::v1::FileError;
use boxlite_wire::limits;
use nix::libc;

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
        let mut table = self.table();
        if table.files.len() >= limits::OPEN_FILES {
            return Err(fault(libc::EMFILE, "open", Path::new("")));
        }
        table.last += 1;
        let handle = table.last;
        table.files.insert(handle, Arc::new(file));
        Ok(handle)
    }

    pub(super) fn get(&self, handle: u64) -> Outcome<Arc<File>> {
        self.table().files.get(&handle).cloned().ok_or_else(unknown)
    }

    pub(super) fn remove(&self, handle: u64) -> Outcome<()> {
        self.table().files.remove(&handle).map(drop).ok_or_else(unknown)
    }

    pub(super) fn clear(&self) {
        self.table().files.clear();
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown() -> FileError {
    FileError { errno: libc::EBADF, ..FileError::default() }
}
