//! Locks between processes: files under flock(2), which the kernel releases with their holder, also when it is killed.
//!
//! `boxlite.lock` guards what the boxes of a home have in common, which is their names: held exclusively while a name is
//! taken and while leftovers are cleared, shared while a box without a name is made. Each box has a `box.lock`, held
//! by whoever changes the box. Both are held for a transition and never while a box only runs.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use boxlite_durable::if_exists;
use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use tokio::time::{Instant, sleep};

use crate::{
    blocking::blocking,
    state::{lock_holder::Holder, modes},
};

/// How long the short steps of others are awaited. A longer one means that its process was stopped.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a change of one box by another process is awaited: a start may have to fetch a large image over a slow line.
const LONG_PATIENCE: Duration = Duration::from_mins(10);

/// The pauses between attempts to take a lock: from the first one, doubling up to the second one; after [`LONG_WAIT`] up to the third
/// one, since the holder does something long. flock(2) itself would wait on a thread that nothing could call back.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const SHORT_WAIT_PAUSE: Duration = Duration::from_millis(20);
const LONG_WAIT_PAUSE: Duration = Duration::from_millis(200);
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

    /// Takes the lock at `path` if nobody has it, and names this process in its file. Returns `None` if somebody has it. Blocking.
    ///
    /// # Errors
    /// `STORAGE_IO` if the file can't be opened or locked.
    pub(crate) fn try_take(path: &Path, mode: Mode) -> BoxliteResult<Option<Self>> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let file = opened.map_err(|error| BoxliteError::io("open lock", path, error))?;
        if !try_lock(&file, path, mode)? {
            return Ok(None);
        }
        let mut lock = Self { file };
        // The name only makes an error of somebody else clearer.
        if mode == Mode::Exclusive {
            let _ = lock.sign();
        }
        Ok(Some(lock))
    }

    /// Takes the home's lock, which nobody keeps for long.
    ///
    /// # Errors
    /// `HOME_LOCKED` if somebody keeps it for 20 s; `STORAGE_IO`.
    pub(crate) async fn of_home(path: &Path, mode: Mode) -> BoxliteResult<Self> {
        let at = path.to_owned();
        let taken = poll(PATIENCE, move || Self::try_take(&at, mode)).await?;
        taken.ok_or_else(|| held(path))
    }

    /// Takes the lock of box `id` at `path` once its holder has released it.
    ///
    /// # Errors
    /// `BOX_BUSY` if the holder was stopped, or keeps it for ten minutes; `STORAGE_IO`.
    pub(crate) async fn of_box(path: &Path, id: &str) -> BoxliteResult<Arc<Self>> {
        let at = path.to_owned();
        wait_for_box(path, id, move || Ok(Self::try_take(&at, Mode::Exclusive)?.map(Arc::new))).await
    }

    /// Names this process in the file.
    fn sign(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        writeln!(self.file, "{}", std::process::id())
    }
}

/// Repeats `attempt`, which tries to take a box's lock at `path`, until it returns something. What has to be read under the lock is
/// read in the same attempt, so that no time is lost between threads.
///
/// # Errors
/// `BOX_BUSY` if the lock's holder was stopped, or keeps it for ten minutes; what `attempt` fails with.
pub(crate) async fn wait_for_box<T: Send + 'static>(
    path: &Path,
    id: &str,
    attempt: impl Fn() -> BoxliteResult<Option<T>> + Clone + Send + 'static,
) -> BoxliteResult<T> {
    let begin = Instant::now();
    loop {
        if let Some(taken) = poll(PATIENCE, attempt.clone()).await? {
            return Ok(taken);
        }
        let holder = Holder::of(path);
        if holder.is_stopped() || begin.elapsed() >= LONG_PATIENCE {
            return Err(busy(&holder, id, begin.elapsed()));
        }
    }
}

/// Repeats `attempt` on a thread that may block, since the home may lie on a disk that hangs, until it returns something. Returns
/// `None` if it does not within `limit`. There is at least one attempt.
pub(crate) async fn poll<T: Send + 'static>(
    limit: Duration,
    attempt: impl Fn() -> BoxliteResult<Option<T>> + Clone + Send + 'static,
) -> BoxliteResult<Option<T>> {
    let (begin, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        let result = blocking("take a lock", attempt.clone()).await?;
        let waited = begin.elapsed();
        if result.is_some() || waited >= limit {
            return Ok(result);
        }
        sleep(pause.min(limit.saturating_sub(waited))).await;
        pause = (pause * 2).min(if waited < LONG_WAIT { SHORT_WAIT_PAUSE } else { LONG_WAIT_PAUSE });
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing would do, but for a process that is being forked off at this moment and has the file too.
        let _ = self.file.unlock();
    }
}

/// Whether anybody holds the lock at `path`; a file that is not there is held by nobody.
pub(crate) fn is_held(path: &Path) -> BoxliteResult<bool> {
    let opened = if_exists(File::open(path)).map_err(|error| BoxliteError::io("open lock", path, error))?;
    let Some(file) = opened else { return Ok(false) };
    let free = try_lock(&file, path, Mode::Shared)?;
    if free {
        drop(FileLock { file });
    }
    Ok(!free)
}

fn try_lock(file: &File, path: &Path, mode: Mode) -> BoxliteResult<bool> {
    let locked = match mode {
        Mode::Shared => file.try_lock_shared(),
        Mode::Exclusive => file.try_lock(),
    };
    match locked {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(BoxliteError::io("lock", path, error)),
    }
}

fn busy(holder: &Holder, id: &str, waited: Duration) -> BoxliteError {
    let (name, seconds) = (holder.name(), waited.as_secs());
    let message =
        format!("use box `{id}`: {name} has been starting, stopping or changing it for {seconds} s");
    BoxliteError::new(ErrorCode::BoxBusy, message).hint(if holder.is_stopped() {
        "resume that process (SIGCONT) or end it; `remove({ force: true })` does not wait for it"
    } else {
        "try again if it is fetching a large image; end it if it hangs. `remove({ force: true })` does not wait for it"
    })
}

fn held(path: &Path) -> BoxliteError {
    let (home, holder) = (path.parent().unwrap_or(path).display(), Holder::of(path).name());
    let seconds = PATIENCE.as_secs();
    let message = format!("use home `{home}`: {holder} has been changing its list of boxes for {seconds} s");
    BoxliteError::new(ErrorCode::HomeLocked, message)
        .hint("that takes milliseconds: the process was stopped, or its disk hangs. Resume or end it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_too_long_fails_with_the_holders_name() {
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
    async fn the_lock_of_a_box_is_awaited_longer_and_not_for_ever() {
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
    async fn a_holder_that_was_stopped_is_named_and_not_awaited_as_long() {
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

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_zero_waits_for_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("box.lock");
        FileLock::make(&path).unwrap();
        let take = move || FileLock::try_take(&path, Mode::Exclusive);
        let began = Instant::now();
        let first = poll(Duration::ZERO, take.clone()).await.unwrap();
        assert!(first.is_some());
        assert!(poll(Duration::ZERO, take).await.unwrap().is_none());
        assert!(began.elapsed() < FIRST_PAUSE);
    }

    #[test]
    fn nobody_holds_what_is_not_there() {
        assert!(!is_held(Path::new("/no/such/lock")).unwrap());
    }
}
