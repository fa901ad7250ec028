//! Unix sockets by path. Called by the engines, the journal and the clock before they listen, and for the names that engines connect
//! to.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use boxlite_spec::ShimExit;

use crate::{
    error::{Context, Error, Result},
    path::from_here,
};

/// `sun_path` of `sockaddr_un` with its closing NUL (unix(7)).
const PATH_LIMIT: usize = 108;

/// Returns a name of the socket at `path` that the kernel and the engines accept: the path itself, or its short name if the path is
/// too long for a socket's address or is not text.
pub(crate) fn name(path: &Path) -> PathBuf {
    let fits = path.as_os_str().len() < PATH_LIMIT && path.to_str().is_some();
    if fits { path.to_owned() } else { from_here(path) }
}

/// Returns where libkrun listens for the stream that carries all connections to the socket at `dial`.
pub(crate) fn carrier(dial: &Path) -> PathBuf {
    dial.with_extension("mux")
}

/// Listens at `path`, for this user alone, and never blocks in `accept`.
pub(crate) fn listen(path: &Path) -> Result<UnixListener> {
    clear(path)?;
    let name = name(path);
    let bind = || -> io::Result<UnixListener> {
        let listener = UnixListener::bind(&name)?;
        fs::set_permissions(&name, PermissionsExt::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().context(ShimExit::Resource, "listen on", path.display())
}

/// Removes the socket that a killed shim left at `path`, so that another one can be bound there. The caller holds the box's lock, so
/// no other process is listening.
pub(crate) fn clear(path: &Path) -> Result<()> {
    if name(path).as_os_str().len() >= PATH_LIMIT {
        let what = format!("listen on {}: the path is longer than {} bytes", path.display(), PATH_LIMIT - 1);
        return Err(Error::new(ShimExit::Resource, what));
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            let what = format!("listen on {}: a file that is no socket is in the way", path.display());
            Err(Error::new(ShimExit::Resource, what))
        }
        found => {
            let removed = found.and_then(|_| fs::remove_file(path));
            removed.context(ShimExit::Resource, "remove stale socket", path.display())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_stale_socket_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        clear(&path).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        clear(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, "precious").unwrap();
        assert_eq!(clear(&path).unwrap_err().kind(), ShimExit::Resource);
        assert!(path.exists());
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_named() {
        let error = clear(Path::new(&"x".repeat(200))).unwrap_err();
        assert!(error.to_string().contains("longer than 107 bytes"), "{error}");
    }
}
