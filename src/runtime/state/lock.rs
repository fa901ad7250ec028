//! Locks between processes: files under flock(2), which the kernel releases with their holder, also when it is killed.
//!
//! `boxlite.lock` guards what the boxes of a home have in common, which is their names: held exclusively while a name is
//! taken and while leftovers are cleared, shared while a box without a name is made. Each box has a `box.lock`, held
//! by whoever changes the box. Both are held for a transition and never while a box merely runs.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use tokio::time::{Instant, sleep};

use crate::{blocking::blocking, state::modes};

/// How long the short steps of others are waited for. Longer means that their process was stopped in one.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a change of one box by another process is waited for: a start may have to fetch a large image over a slow line.
const LONG_PATIENCE: Duration = Duration::from_mins(10);

/// Between two looks at a lock that somebody else has. flock(2) itself would wait on a thread that nothing could call back.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LATER_LOOKS: Duration = Duration::from_millis(20);

/// The same for those who have waited for two seconds: whoever has the lock is at something long.
const LAST_LOOKS: Duration = Duration::from_millis(200);
const LONG_WAIT: Duration = Duration::from_secs(2);

/// A lock that this process holds.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

impl FileLock {
    /// Makes the file of a lock. Apart from taking it: whoever waits for the lock of a box that is removed meanwhile must
    /// not bring its file back.
    pub(crate) fn make(path: &Path) -> BoxliteResult<()> {
        let made = OpenOptions::new().write(true).create(true).truncate(false).mode(modes::FILE).open(path);
        made.and_then(|file| modes::set_file(&file))
            .map_err(|error| BoxliteError::io("make lock", path, error))
    }

    /// Takes the lock at `path` if nobody has it. `Ok(None)`: somebody has.
    pub(crate) fn try_take(path: &Path, mode: Mode) -> BoxliteResult<Option<Self>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| BoxliteError::io("open lock", path, error))?;
        try_lock(&file, mode)
            .map(|locked| locked.then_some(Self { file }))
            .map_err(|error| BoxliteError::io("lock", path, error))
    }

    /// Takes the lock at `path` when whoever has it is done, or when `end` comes: `Ok(None)`. It is looked at once at least.
    async fn take(path: &Path, mode: Mode, end: Instant) -> BoxliteResult<Option<Self>> {
        let (begin, mut pause) = (Instant::now(), FIRST_LOOK);
        loop {
            let at = path.to_owned();
            // On a thread that may block: the home may lie on a disk that hangs.
            if let Some(mut lock) = blocking("take a lock", move || Self::try_take(&at, mode)).await? {
                // Whose it is only makes an error clearer.
                if mode == Mode::Exclusive {
                    let _ = lock.sign();
                }
                return Ok(Some(lock));
            }
            let now = Instant::now();
            if now >= end {
                return Ok(None);
            }
            sleep(pause.min(end - now)).await;
            pause = (pause * 2).min(if now - begin < LONG_WAIT { LATER_LOOKS } else { LAST_LOOKS });
        }
    }

    /// Takes the home's lock, which nobody has for long.
    pub(crate) async fn of_home(path: &Path, mode: Mode) -> BoxliteResult<Self> {
        Self::take(path, mode, Instant::now() + PATIENCE).await?.ok_or_else(|| held(path))
    }

    /// Takes a box's lock when whoever has it is done; `BOX_BUSY` when that takes too long. A process that was stopped would
    /// take for ever.
    pub(crate) async fn of_box(path: &Path, id: &str) -> BoxliteResult<Arc<Self>> {
        let (begin, mut patience) = (Instant::now(), PATIENCE);
        loop {
            if let Some(lock) = Self::take(path, Mode::Exclusive, begin + patience).await? {
                return Ok(Arc::new(lock));
            }
            let holder = Holder::of(path);
            if holder.is_stopped() || begin.elapsed() >= LONG_PATIENCE {
                return Err(busy(&holder, id, begin.elapsed()));
            }
            patience += PATIENCE;
        }
    }

    /// Takes a box's lock if whoever has it is done by then. `Ok(None)`: he is not.
    pub(crate) async fn of_box_within(path: &Path, limit: Duration) -> BoxliteResult<Option<Arc<Self>>> {
        Ok(Self::take(path, Mode::Exclusive, Instant::now() + limit).await?.map(Arc::new))
    }

    /// Names this process in the file.
    fn sign(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        writeln!(self.file, "{}", std::process::id())
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        unlock(&self.file);
    }
}

/// Whether anybody holds the lock at `path`; a file that is not there is held by nobody.
pub(crate) fn is_held(path: &Path) -> BoxliteResult<bool> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(BoxliteError::io("open lock", path, error)),
        Ok(file) => {
            let free =
                try_lock(&file, Mode::Shared).map_err(|error| BoxliteError::io("lock", path, error))?;
            if free {
                unlock(&file);
            }
            Ok(!free)
        }
    }
}

fn try_lock(file: &File, mode: Mode) -> io::Result<bool> {
    let locked = match mode {
        Mode::Shared => file.try_lock_shared(),
        Mode::Exclusive => file.try_lock(),
    };
    match locked {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Closing would do, but for a process that is being forked off at this moment and has the file too.
fn unlock(file: &File) {
    let _ = file.unlock();
}

/// Who signed a lock that somebody holds.
struct Holder {
    pid: Option<u32>,
}

impl Holder {
    /// By the lock's file at `path`.
    fn of(path: &Path) -> Self {
        let mut text = String::new();
        let _ = File::open(path).and_then(|file| file.take(32).read_to_string(&mut text));
        Self { pid: text.trim().parse().ok() }
    }

    /// In words.
    fn name(&self) -> String {
        let Some(pid) = self.pid else { return "another process".to_owned() };
        // " (node)", where the kernel tells.
        let command = std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .map_or(String::new(), |name| format!(" ({})", name.trim()));
        let stopped = if self.is_stopped() { ", which is stopped," } else { "" };
        format!("process {pid}{command}{stopped}")
    }

    /// Whether it was stopped by a signal or a debugger: proc(5), the state is the first field after the command's name.
    fn is_stopped(&self) -> bool {
        let stat = self.pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        let state = stat.as_deref().and_then(|stat| stat.rsplit_once(") ")).map(|(_, rest)| rest);
        state.is_some_and(|rest| rest.starts_with(['T', 't']))
    }
}

fn busy(holder: &Holder, id: &str, waited: Duration) -> BoxliteError {
    BoxliteError::new(
        ErrorCode::BoxBusy,
        format!(
            "use box `{id}`: {} has been starting, stopping or changing it for {} s",
            holder.name(),
            waited.as_secs()
        ),
    )
    .hint(if holder.is_stopped() {
        "resume that process (SIGCONT) or end it; `remove({ force: true })` does not wait for it"
    } else {
        "try again if it is fetching a large image; end it if it hangs. `remove({ force: true })` does not wait for it"
    })
}

fn held(path: &Path) -> BoxliteError {
    let home = path.parent().unwrap_or(path).display();
    let holder = Holder::of(path).name();
    BoxliteError::new(
        ErrorCode::HomeLocked,
        format!(
            "use home `{home}`: {holder} has been changing its list of boxes for {} s",
            PATIENCE.as_secs()
        ),
    )
    .hint("that takes milliseconds: the process was stopped, or its disk hangs. Resume or end it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_of_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boxlite.lock");
        FileLock::make(&path).unwrap();
        let first = FileLock::of_home(&path, Mode::Exclusive).await.unwrap();
        assert!(is_held(&path).unwrap());
        let error = FileLock::of_home(&path, Mode::Shared).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::HomeLocked);
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        drop(first);
        assert!(!is_held(&path).unwrap());
        let shared = FileLock::of_home(&path, Mode::Shared).await.unwrap();
        let beside = FileLock::of_home(&path, Mode::Shared).await.unwrap();
        assert!(FileLock::try_take(&path, Mode::Exclusive).unwrap().is_none());
        drop((shared, beside));
        assert!(FileLock::try_take(&path, Mode::Exclusive).unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_lock_of_a_box_is_waited_for_longer_and_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("box.lock");
        FileLock::make(&path).unwrap();
        let first = FileLock::of_box(&path, "web").await.unwrap();
        let began = Instant::now();
        let error = FileLock::of_box(&path, "web").await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::BoxBusy);
        assert!(began.elapsed() >= LONG_PATIENCE);
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        FileLock::of_box(&path, "web").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_was_stopped_is_named_and_not_waited_for_as_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("box.lock");
        FileLock::make(&path).unwrap();
        let _first = FileLock::of_box(&path, "web").await.unwrap();
        let mut stopped = std::process::Command::new("sh").args(["-c", "kill -STOP $$"]).spawn().unwrap();
        std::fs::write(&path, format!("{}\n", stopped.id())).unwrap();
        while !Holder::of(&path).is_stopped() {
            std::thread::yield_now();
        }
        let began = Instant::now();
        let error = FileLock::of_box(&path, "web").await.unwrap_err();
        stopped.kill().unwrap();
        stopped.wait().unwrap();
        assert!(began.elapsed() < LONG_PATIENCE);
        assert_eq!(error.code(), ErrorCode::BoxBusy);
        assert!(error.to_string().contains("which is stopped"), "{error}");
    }

    #[tokio::test]
    async fn a_look_at_a_lock_waits_for_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("box.lock");
        FileLock::make(&path).unwrap();
        let first = FileLock::of_box_within(&path, Duration::ZERO).await.unwrap();
        assert!(first.is_some());
        assert!(FileLock::of_box_within(&path, Duration::ZERO).await.unwrap().is_none());
    }

    #[test]
    fn nobody_holds_what_is_not_there() {
        assert!(!is_held(Path::new("/no/such/lock")).unwrap());
    }
}
