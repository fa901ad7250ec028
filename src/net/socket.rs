//! Unix sockets by path, whatever the length of the path. Called by the dialer and by `control`.
//!
//! A socket's address has room for 107 bytes (unix(7)). The shim works in the box's folder, where its sockets are, so one with a longer
//! path has a short name from there.

use std::{
    env, fs, io,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

/// `sun_path` of `sockaddr_un` without its closing NUL.
const LONGEST: usize = 107;

/// Returns a name of the socket at `path` that a socket's address can hold, if there is one.
pub(crate) fn name(path: &Path) -> PathBuf {
    if path.as_os_str().len() <= LONGEST {
        return path.to_owned();
    }
    let here = env::current_dir().is_ok_and(|here| path.parent() == Some(&*here));
    path.file_name().filter(|_| here).map_or_else(|| path.to_owned(), PathBuf::from)
}

/// Listens at `path`, for this user alone, who is returned too. What a killed shim left there is removed: the caller holds the box's lock.
pub(crate) fn listen(path: &Path) -> io::Result<(UnixListener, u32)> {
    let name = name(path);
    match fs::remove_file(&name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&name)?;
    fs::set_permissions(&name, PermissionsExt::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    let user = fs::metadata(&name)?.uid();
    Ok((listener, user))
}
