//! `Files`: the files of a box, and the verbs on their names. Made by `LiteBox::files`; each operation starts the box if it does not
//! run, and calls the guest through `boxlite-portal`. The other files of this folder have the verbs of one noun each.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use boxlite_error::{BoxliteError, BoxliteResult};
use boxlite_portal::{FileCall, FilesInterface};
use nix::errno::Errno;

use crate::litebox::{core::BoxCore, lifecycle::machine::Machine};

/// The files of one box as its processes see them, mounts included. Relative paths begin at the box's working directory. A call
/// fails with a [`FileFault`](crate::FileFault) for what the box's kernel refuses, and with the errors of [`LiteBox::start`](crate::LiteBox::start) if the box can't be
/// started. Clones share the box.
#[derive(Debug, Clone)]
pub struct Files {
    pub(super) core: Arc<BoxCore>,
    /// Who acts; empty is root.
    user: Arc<str>,
}

impl Files {
    pub(in crate::litebox) fn new(core: Arc<BoxCore>) -> Self {
        Self { core, user: Arc::default() }
    }

    /// The same files for another user of the box: "name", "uid", "name:group" or "uid:gid".
    #[must_use]
    pub fn as_user(&self, user: &str) -> Self {
        Self { core: Arc::clone(&self.core), user: user.into() }
    }

    /// Returns if the file exists and allows what `mode` says: bits of `R_OK` (4), `W_OK` (2) and `X_OK` (1).
    ///
    /// # Errors
    ///
    /// A `FileFault` of `access`.
    pub async fn access(&self, path: impl AsRef<Path>, mode: u32) -> BoxliteResult<()> {
        self.call(FileCall::access(path.as_ref(), mode)).await
    }

    /// Whether something exists at `path`.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `access`, if that can't be found out.
    pub async fn exists(&self, path: impl AsRef<Path>) -> BoxliteResult<bool> {
        match self.access(path, 0).await {
            Ok(()) => Ok(true),
            Err(error) if matches!(errno(&error), Some(Errno::ENOENT | Errno::ENOTDIR)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Renames a file or directory; a file at `to` is replaced.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `rename`.
    pub async fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> BoxliteResult<()> {
        self.call(FileCall::rename(from.as_ref(), to.as_ref())).await
    }

    /// Makes `path` a symlink to `target`.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `symlink`.
    pub async fn symlink(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> BoxliteResult<()> {
        self.call(FileCall::symlink(path.as_ref(), target.as_ref())).await
    }

    /// What a symlink says.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `readlink`.
    pub async fn read_link(&self, path: impl AsRef<Path>) -> BoxliteResult<PathBuf> {
        self.call(FileCall::read_link(path.as_ref())).await
    }

    /// The absolute path of a file, without symlinks.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `realpath`.
    pub async fn real_path(&self, path: impl AsRef<Path>) -> BoxliteResult<PathBuf> {
        self.call(FileCall::real_path(path.as_ref())).await
    }

    /// Makes `path` another name of the file `existing`.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `link`.
    pub async fn link(&self, existing: impl AsRef<Path>, path: impl AsRef<Path>) -> BoxliteResult<()> {
        self.call(FileCall::link(existing.as_ref(), path.as_ref())).await
    }

    pub(super) async fn call<T>(&self, call: FileCall<T>) -> BoxliteResult<T> {
        let (machine, interface) = self.reach().await?;
        self.explained(&machine, interface.call(call).await).await
    }

    pub(super) async fn explained<T>(
        &self,
        machine: &Arc<Machine>,
        result: BoxliteResult<T>,
    ) -> BoxliteResult<T> {
        match result {
            Err(error) => Err(self.core.explain(machine, error).await),
            ok => ok,
        }
    }

    /// The running machine and the calls of its files, once no watch is pending.
    pub(super) async fn reach(&self) -> BoxliteResult<(Arc<Machine>, FilesInterface)> {
        self.core.watches.settled().await;
        let machine = self.core.machine().await?;
        let interface = self.interface(&machine);
        Ok((machine, interface))
    }

    pub(super) fn interface(&self, machine: &Machine) -> FilesInterface {
        machine.session.files().as_user(Arc::clone(&self.user))
    }
}

/// The errno of what the box's kernel refused.
pub(super) fn errno(error: &BoxliteError) -> Option<Errno> {
    let fault = error.file().filter(|fault| fault.refusal.is_none())?;
    Some(Errno::from_raw(fault.errno))
}
