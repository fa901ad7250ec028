//! Unix sockets by path. Called by both engines before they listen, and by the relay.

use std::{
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use boxlite_spec::ShimExit;

use crate::{Error, Result, error::Context, path::from_here};

/// `sun_path` of `sockaddr_un` with its closing NUL (unix(7)).
const PATH_LIMIT: usize = 108;

/// What the kernel and the engines can call the socket at `path`: its path, or where that is too long for a socket, or no
/// text, its name from the working directory on.
pub(crate) fn name(path: &Path) -> PathBuf {
    let fits = path.as_os_str().len() < PATH_LIMIT && path.to_str().is_some();
    if fits { path.to_owned() } else { from_here(path) }
}

/// Makes way for a listening socket: removes what a killed shim left at `path`. The caller holds the box's lock, so
/// nobody else can be listening there.
pub(crate) fn clear(path: &Path) -> Result<()> {
    if name(path).as_os_str().len() >= PATH_LIMIT {
        let what = format!("listen on {}: the path is longer than {} bytes", path.display(), PATH_LIMIT - 1);
        return Err(Error::new(ShimExit::Resource, what));
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            let what = format!("listen on {}: something that is no socket is in the way", path.display());
            Err(Error::new(ShimExit::Resource, what))
        }
        found => found.and_then(|_| fs::remove_file(path)).context(
            ShimExit::Resource,
            "remove stale socket",
            path.display(),
        ),
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
