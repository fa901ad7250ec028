//! `Steps`: the steps of a pull for any number of slow readers. Filled by `pull`.

use boxlite_images::{History, PullEvent, Step};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

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

/// The steps of a pull under way. Dropping it means that none follows.
#[derive(Debug, Default)]
pub(super) struct Steps(watch::Sender<History<Progress>>);

impl Steps {
    pub(super) fn push(&self, step: Progress) {
        self.0.send_modify(|history| history.push(step));
    }

    pub(super) fn reader(&self) -> StepReader {
        StepReader(self.0.subscribe())
    }
}

/// Reads the steps of a pull, also after its end.
#[derive(Debug, Clone)]
pub(super) struct StepReader(watch::Receiver<History<Progress>>);

impl StepReader {
    /// Waits for steps behind `position` and returns them with the last one's position, or `None` once the pull has ended.
    pub(super) async fn after(&self, position: u64) -> Option<(Vec<Progress>, u64)> {
        let mut receiver = self.0.clone();
        let history = receiver.wait_for(|history| history.position() > position).await.ok()?;
        Some((history.after(position).cloned().collect(), history.position()))
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
        let reader = steps.reader();
        for bytes in 0..1000 {
            steps.push(progress("a", bytes));
            steps.push(progress("b", bytes));
        }
        let (read, position) = reader.after(0).await.unwrap();
        assert_eq!(read, [progress("a", 999), progress("b", 999)]);
        let waiting = reader.after(position);
        steps.push(progress("a", 1000));
        assert_eq!(waiting.await.unwrap().0, [progress("a", 1000)]);
        drop(steps);
        let (late, position) = reader.after(0).await.unwrap();
        assert_eq!(late, [progress("b", 999), progress("a", 1000)]);
        assert_eq!(reader.after(position).await, None);
    }
}
