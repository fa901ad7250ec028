//! `Program`: one running gvproxy, with its two sockets in the box's folder, of which no other user can open one. Started by `serve`.

#![allow(unsafe_code, reason = "the child's parent-death signal is set between fork and exec")]

use std::{
    collections::VecDeque,
    env, fs, io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use boxlite_spec::network::{GVPROXY_FOLDERS, NetworkSpec};
use nix::{
    libc,
    sys::{prctl, signal::Signal},
    unistd::{AccessFlags, access, getpid, getppid},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::UnixStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::api;
use crate::backend::NetworkError;

/// The socket of frames, and that of HTTP, in the box's folder.
const LINK: &str = "gvproxy.sock";
pub(super) const API: &str = "gvproxy-api.sock";
/// How long it may take to listen. A busy host needs seconds to start a program.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it does.
const LOOK: Duration = Duration::from_millis(2);
/// How often another port is tried, if somebody took the one that was free a moment ago.
const TRIES: usize = 5;
/// How much of the end of its log is kept, in bytes.
const TAIL: usize = 2048;
const HINT: &str = "install gvproxy (Debian 13: `apt-get install gvproxy`; elsewhere it comes with podman), name its program by BOXLITE_GVPROXY, or leave `network.backend` out";

/// How the program is started.
#[derive(Debug)]
pub(super) struct Recipe {
    program: PathBuf,
    folder: PathBuf,
    mtu: u16,
}

/// A running program.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    log: Log,
    folder: PathBuf,
}

type Log = Arc<Mutex<VecDeque<u8>>>;

impl Recipe {
    /// Finds the program.
    ///
    /// # Errors
    /// If it can't be run, or is not installed.
    pub(super) fn new(spec: &NetworkSpec, folder: PathBuf) -> Result<Self, NetworkError> {
        let program = find(spec.program.as_deref(), env::var_os("PATH").as_deref())?;
        Ok(Self { program, folder, mtu: spec.link.mtu })
    }

    /// Starts the program and connects to it. Returns the connection for frames besides.
    ///
    /// # Errors
    /// If it can't be executed, or does not listen; with the end of its log.
    pub(super) async fn start(&self) -> Result<(Program, UnixStream), NetworkError> {
        for _ in 1..TRIES {
            match self.try_start().await {
                Err(error) if error.to_string().contains("address already in use") => {}
                done => return done,
            }
        }
        self.try_start().await
    }

    async fn try_start(&self) -> Result<(Program, UnixStream), NetworkError> {
        let what = |what: &str| format!("start {}: {what}", self.program.display());
        self.remove_sockets().map_err(|error| NetworkError::io(what("remove its last sockets"), error))?;
        let port = free_port().map_err(|error| NetworkError::io(what("find a free port"), error))?;
        let mut child = self
            .spawn(port)
            .map_err(|error| NetworkError::io(what("it can't be executed"), error).with_hint(HINT))?;
        let log = Log::default();
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(keep_tail(stderr, Arc::clone(&log)));
        }
        let mut program = Program { child, log, folder: self.folder.clone() };
        let connected = program.connect().await;
        let stream = connected.map_err(|error| NetworkError::io(what(&program.last_words()), error))?;
        api::withdraw_ssh(&self.folder.join(API), port)
            .await
            .map_err(|error| NetworkError::io(what("withdraw its port for SSH"), error))?;
        Ok((program, stream))
    }

    fn spawn(&self, port: u16) -> io::Result<Child> {
        // By its working directory, since the path of the box's folder may be longer than a socket's address.
        let socket = |name: &str| format!("unix:///proc/self/cwd/{name}");
        let parent = getpid();
        let mut command = Command::new(&self.program);
        command
            .args(["-listen", &socket(API), "-listen-qemu", &socket(LINK)])
            .args(["-ssh-port", &port.to_string(), "-mtu", &self.mtu.to_string()])
            .current_dir(&self.folder)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // SAFETY: the closure runs between fork and exec. It makes only system calls, allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(move || {
                prctl::set_pdeathsig(Signal::SIGKILL)?;
                // The parent may have exited before the line above.
                if getppid() != parent {
                    return Err(io::Error::from_raw_os_error(libc::ESRCH));
                }
                // Sockets are for this user alone: their mode is what this leaves of 0777.
                libc::umask(0o177);
                Ok(())
            });
        }
        command.spawn()
    }

    fn remove_sockets(&self) -> io::Result<()> {
        remove(&self.folder, LINK)?;
        remove(&self.folder, API)
    }
}

fn remove(folder: &Path, socket: &str) -> io::Result<()> {
    match fs::remove_file(folder.join(socket)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Program {
    /// Connects to the socket of frames, once the program listens on both.
    async fn connect(&mut self) -> io::Result<UnixStream> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                // Its log may come after its end.
                sleep(LOOK * 10).await;
                return Err(io::Error::other(format!("it ended at once, with {status}")));
            }
            if self.folder.join(API).exists()
                && let Ok(stream) = UnixStream::connect(self.folder.join(LINK)).await
            {
                return Ok(stream);
            }
            if Instant::now() >= until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            sleep(LOOK).await;
        }
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// The end of its log.
    pub(super) fn last_words(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = log.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().replace('\n', " / ")
    }

    /// Ends it. Nothing of it is left.
    pub(super) async fn end(mut self) {
        let _ = self.child.kill().await;
        for socket in [LINK, API] {
            let _ = remove(&self.folder, socket);
        }
    }
}

/// Keeps the end of what is read, so that the program never waits for a reader.
async fn keep_tail(mut stream: impl AsyncRead + Unpin, log: Log) {
    let mut chunk = [0; 512];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend(&chunk[..count]);
        let excess = log.len().saturating_sub(TAIL);
        log.drain(..excess);
    }
}

/// A port of the loopback that nobody has now.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The program that is named, or else the first one that is found.
fn find(named: Option<&Path>, search: Option<&std::ffi::OsStr>) -> Result<PathBuf, NetworkError> {
    let can_run = |path: &Path| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
    if let Some(named) = named {
        let error = || {
            let why =
                format!("start gvproxy: BOXLITE_GVPROXY names `{}`, which can't be run", named.display());
            NetworkError::new(why).with_hint(HINT)
        };
        // Its working directory is another one.
        let path = std::path::absolute(named).unwrap_or_else(|_| named.to_owned());
        return can_run(&path).then_some(path).ok_or_else(error);
    }
    let folders = search.into_iter().flat_map(env::split_paths);
    let mut places = folders.chain(GVPROXY_FOLDERS.map(PathBuf::from)).map(|folder| folder.join("gvproxy"));
    places.find(|path| path.is_absolute() && can_run(path)).ok_or_else(|| {
        let why = format!("start gvproxy: it is neither in PATH nor in {}", GVPROXY_FOLDERS.join(", "));
        NetworkError::new(why).with_hint(HINT)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_told_with_a_remedy() {
        let named = find(Some("/nowhere/gvproxy".as_ref()), None).unwrap_err();
        assert!(named.to_string().contains("BOXLITE_GVPROXY names `/nowhere/gvproxy`"), "{named}");
        assert!(named.hint().unwrap().contains("apt-get install gvproxy"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gvproxy");
        fs::write(&path, "").unwrap();
        assert!(find(Some(&path), None).is_err(), "it can't be executed");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        assert_eq!(find(Some(&path), None).unwrap(), path);
        assert_eq!(find(None, Some(folder.path().as_os_str())).unwrap(), path);
    }

    #[tokio::test]
    async fn a_program_that_ends_at_once_is_told_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("gvproxy");
        fs::write(&program, "#!/bin/sh\necho no such thing >&2\nexit 3\n").unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let recipe = Recipe { program, folder: folder.path().to_owned(), mtu: 1500 };
        let error = recipe.start().await.unwrap_err().to_string();
        assert!(error.contains("no such thing") && error.contains("exit status: 3"), "{error}");
    }
}
