//! Events of a pull on their way to a reader who may be slow or away: what a later event makes worthless is replaced,
//! so a queue never holds more than a few events for each layer. Filled by `pull`.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use boxlite_images::PullEvent;
use tokio::sync::Notify;

use crate::images::pull::Progress;

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Progress>,
    closed: bool,
}

impl Queue {
    pub(super) fn push(&self, event: Progress) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Progress::Image(PullEvent::LayerProgress { digest, bytes }) = &event {
            let known = state.events.iter_mut().find_map(|known| match known {
                Progress::Image(PullEvent::LayerProgress { digest: of, bytes }) if of == digest => {
                    Some(bytes)
                }
                _ => None,
            });
            if let Some(known) = known {
                *known = *bytes;
                return;
            }
        }
        state.events.push_back(event);
        drop(state);
        self.changed.notify_waiters();
    }

    /// No event comes any more.
    pub(super) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_waiters();
    }

    /// All events since the last call, at least one; `None` after the last.
    pub(super) async fn next(&self) -> Option<Vec<Progress>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Enabled before looking, so that no change is missed.
            changed.as_mut().enable();
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if !state.events.is_empty() {
                    return Some(state.events.drain(..).collect());
                }
                if state.closed {
                    return None;
                }
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(digest: &str, bytes: u64) -> Progress {
        Progress::Image(PullEvent::LayerProgress { digest: digest.to_owned(), bytes })
    }

    #[tokio::test]
    async fn a_reader_who_is_away_costs_an_event_a_layer() {
        let queue = Queue::default();
        for bytes in 0..1000 {
            queue.push(progress("a", bytes));
            queue.push(progress("b", bytes));
        }
        queue.close();
        assert_eq!(queue.next().await, Some(vec![progress("a", 999), progress("b", 999)]));
        assert_eq!(queue.next().await, None);
    }
}
