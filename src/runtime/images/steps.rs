//! `Steps`: the steps of a pull for any number of slow readers. Filled by `pull`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use boxlite_images::{History, PullEvent, Step};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// A step of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// On the way into the cache.
    Image(PullEvent),
    /// The root disk is being made.
    Assembling {
        /// The manifest's digest.
        digest: String,
    },
    /// All is done.
    Done {
        /// The manifest's digest.
        digest: String,
    },
}

impl Step for Progress {
    fn replaces(&self, earlier: &Self) -> bool {
        matches!((self, earlier), (Self::Image(event), Self::Image(earlier)) if event.replaces(earlier))
    }
}

#[derive(Debug, Default)]
pub(super) struct Steps {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    history: History<Progress>,
    closed: bool,
}

impl Steps {
    pub(super) fn push(&self, step: Progress) {
        self.state().history.push(step);
        self.changed.notify_waiters();
    }

    /// Whether no step follows.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_waiters();
    }

    /// Waits for steps behind `position` and returns them with the last one's position, or `None` once the pull has ended.
    pub(super) async fn after(&self, position: u64) -> Option<(Vec<Progress>, u64)> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Enable before the check, so that no change is missed.
            changed.as_mut().enable();
            {
                let State { history, closed } = &*self.state();
                if history.position() > position {
                    return Some((history.after(position).cloned().collect(), history.position()));
                }
                if *closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(digest: &str, bytes: u64) -> Progress {
        Progress::Image(PullEvent::LayerProgress { digest: digest.to_owned(), bytes })
    }

    #[tokio::test]
    async fn every_reader_gets_all_steps_but_of_progress_only_the_newest() {
        let steps = Steps::default();
        for bytes in 0..1000 {
            steps.push(progress("a", bytes));
            steps.push(progress("b", bytes));
        }
        let (read, position) = steps.after(0).await.unwrap();
        assert_eq!(read, [progress("a", 999), progress("b", 999)]);
        let waiting = steps.after(position);
        steps.push(progress("a", 1000));
        assert_eq!(waiting.await.unwrap().0, [progress("a", 1000)]);
        steps.close();
        let (late, position) = steps.after(0).await.unwrap();
        assert_eq!(late, [progress("b", 999), progress("a", 1000)]);
        assert_eq!(steps.after(position).await, None);
    }
}
