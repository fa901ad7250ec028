//! A box's own disk: a qcow2 file that holds what the box wrote, on top of a shared base. Called by the runtime when it
//! makes a box; opened by the engines, never again by this crate.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use futures::executor::block_on;
use imago::{FormatCreateBuilder, StorageOpenOptions, file::File as Storage, qcow2::Qcow2};

use crate::{BaseDisk, Error, ErrorKind};

/// A qcow2 overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// The qcow2 file.
    pub path: PathBuf,
    /// The size of the disk as the box sees it, in bytes: the base's.
    pub virtual_size: u64,
}

impl Overlay {
    /// Makes an empty overlay at `path`, where nothing may be yet, durable when this returns. It names its base by
    /// absolute path and says that it is raw, so that no engine ever guesses a format from what a box wrote.
    pub fn create(path: impl Into<PathBuf>, base: &BaseDisk) -> Result<Self, Error> {
        let path = path.into();
        let failed = |error| Error::storage(format!("make disk {}", path.display()), error);
        let backing = fs::canonicalize(&base.path).map_err(failed)?;
        let backing = backing.to_str().ok_or_else(|| {
            Error::unsupported(format!("make disk: base path {} that is not UTF-8", backing.display()))
        })?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(failed)?;
        let made = file
            .try_clone()
            .and_then(|copy| write(copy, backing, base.virtual_size))
            .and_then(|()| file.sync_all())
            .and_then(|()| sync_parent(&path));
        if let Err(error) = made {
            let _ = fs::remove_file(&path);
            return Err(match Error::storage(format!("make disk {}", path.display()), error) {
                error if error.kind() == ErrorKind::StorageIo => {
                    Error::new(ErrorKind::Engine, "make qcow2 overlay").because(error)
                }
                error => error,
            });
        }
        Ok(Self { path, virtual_size: base.virtual_size })
    }
}

/// imago's futures are blocking calls in disguise (its file driver never suspends), so any executor will do; tokio's
/// would panic inside a tokio thread.
fn write(file: File, backing: &str, size: u64) -> io::Result<()> {
    let storage = Storage::from_open_file(file, StorageOpenOptions::new().write(true))?;
    block_on(
        Qcow2::<Storage>::create_builder(storage)
            .size(size)
            .backing(backing.to_owned(), "raw".to_owned())
            .create(),
    )
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
