//! `BoxSocket`: a socket in a box's folder, however long that folder's path is. A socket's address has room for 107 bytes
//! (unix(7)): where the path is longer, the socket is reached through a descriptor of its folder, `/proc/self/fd/N/NAME`. Made by
//! `layout`; listened on and connected to by the pipeline and the portal. The shim, which works in the folder, has ways of its
//! own (`socket.rs` of `src/vmm`).

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::AsRawFd,
        unix::{fs::OpenOptionsExt, net::UnixListener},
    },
    path::{Path, PathBuf},
};

use boxlite_error::BoxliteResult;
use boxlite_portal::Connection;
use tokio::net::UnixStream;

use crate::state::modes;

/// `sockaddr_un.sun_path` without its closing NUL (unix(7)).
const LONGEST: usize = 107;

/// A socket by its folder and its name.
#[derive(Debug, Clone)]
pub(crate) struct BoxSocket {
    path: PathBuf,
    folder: PathBuf,
    name: &'static str,
}

impl BoxSocket {
    pub(crate) fn new(folder: &Path, name: &'static str) -> Self {
        Self { path: folder.join(name), folder: folder.to_owned(), name }
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Listens there, for this user alone.
    pub(crate) fn listen(&self) -> io::Result<UnixListener> {
        let address = self.address()?;
        let listener = UnixListener::bind(&address.path)?;
        modes::set_path(&address.path)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// A channel to the guest behind this portal socket. Nothing is sent before the first call.
    pub(crate) fn channel(self) -> BoxliteResult<Connection> {
        Connection::over(move || {
            let portal = self.clone();
            async move { portal.connect().await }
        })
    }

    /// Connects to the listener.
    pub(crate) async fn connect(&self) -> io::Result<UnixStream> {
        let address = self.address()?;
        UnixStream::connect(&address.path).await
    }

    /// Removes its file; none is none.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }

    fn address(&self) -> io::Result<Address> {
        if self.path.as_os_str().len() <= LONGEST {
            return Ok(Address { path: self.path.clone(), _folder: None });
        }
        let folder = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_PATH | nix::libc::O_DIRECTORY)
            .open(&self.folder)?;
        let path = format!("/proc/self/fd/{}/{}", folder.as_raw_fd(), self.name).into();
        Ok(Address { path, _folder: Some(folder) })
    }
}

/// The address that the kernel gets; valid for as long as the folder is open.
struct Address {
    path: PathBuf,
    _folder: Option<File>,
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn carries_a_byte(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        let socket = BoxSocket::new(folder, "portal.sock");
        let listener = tokio::net::UnixListener::from_std(socket.listen().unwrap()).unwrap();
        assert!(socket.path().exists());
        let (client, server) = tokio::join!(socket.connect(), listener.accept());
        client.unwrap().write_all(b"x").await.unwrap();
        assert_eq!(server.unwrap().0.read_u8().await.unwrap(), b'x');
        socket.remove();
        assert!(!socket.path().exists());
    }

    #[tokio::test]
    async fn a_folder_of_any_path_has_sockets() {
        let base = tempfile::tempdir().unwrap();
        // With the name, one byte less than an address holds, just as many, and more; and bytes that are no text.
        for length in [LONGEST - 1, LONGEST, LONGEST + 1, 400] {
            let fill = length - base.path().as_os_str().len() - "/portal.sock".len() - 1;
            let names = (0..fill / 100).map(|_| "x".repeat(99)).chain([("y").repeat(fill % 100)]);
            let folder = names.fold(base.path().to_owned(), |path, name| path.join(name));
            carries_a_byte(&folder).await;
        }
        let odd = OsStr::from_bytes(b"\xff, \n\"\\").to_owned();
        carries_a_byte(&base.path().join(&odd)).await;
        carries_a_byte(&base.path().join(&odd).join("z".repeat(200))).await;
    }
}
