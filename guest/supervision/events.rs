//! What happens in the box, told to whoever watches. A watcher that comes later is first told how the box stands; one that
//! is slow loses the oldest events and is told how many.
//!
//! Filled by the tasks of this room; watched through the Supervisor service.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use boxlite_proto::v1::{BoxEvent, box_event::Event};
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};

/// Events that are kept for a slow watcher.
const KEPT: usize = 256;

/// The events. Clones share them.
#[derive(Debug, Clone)]
pub struct Events(Arc<Mutex<Standing>>);

#[derive(Debug)]
struct Standing {
    /// `None`: the machine ends, and nothing more happens.
    sender: Option<Sender<BoxEvent>>,
    /// The last of its kind.
    main: Option<BoxEvent>,
    health: Option<BoxEvent>,
}

/// One watcher.
#[derive(Debug)]
pub struct Watch {
    first: VecDeque<BoxEvent>,
    then: Option<Receiver<BoxEvent>>,
}

impl Default for Events {
    fn default() -> Self {
        let standing = Standing { sender: Some(broadcast::channel(KEPT).0), main: None, health: None };
        Self(Arc::new(Mutex::new(standing)))
    }
}

impl Events {
    /// Tells all watchers.
    pub fn tell(&self, event: Event) {
        let event = BoxEvent { time_unix_ns: now_unix_ns(), event: Some(event) };
        let mut standing = self.standing();
        match &event.event {
            Some(Event::MainStarted(_) | Event::MainExited(_)) => standing.main = Some(event.clone()),
            Some(Event::Health(_)) => standing.health = Some(event.clone()),
            _ => {}
        }
        if let Some(sender) = &standing.sender {
            // Nobody may be watching.
            let _ = sender.send(event);
        }
    }

    /// How the box stands, and from then on all that happens.
    pub fn watch(&self) -> Watch {
        let standing = self.standing();
        let first = [&standing.main, &standing.health].into_iter().flatten().cloned().collect();
        Watch { first, then: standing.sender.as_ref().map(Sender::subscribe) }
    }

    /// Ends every watch, once it has told what there was.
    pub fn close(&self) {
        self.standing().sender = None;
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// The next event; `None` when the machine ends.
    pub async fn next(&mut self) -> Option<BoxEvent> {
        if let Some(event) = self.first.pop_front() {
            return Some(event);
        }
        match self.then.as_mut()?.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(count)) => {
                Some(BoxEvent { time_unix_ns: now_unix_ns(), event: Some(Event::Lost(count)) })
            }
            Err(RecvError::Closed) => None,
        }
    }
}

/// The guest's clock.
pub(super) fn now_unix_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use boxlite_proto::v1::{HealthChanged, MainStarted};

    use super::*;

    fn started(restarts: u32) -> Event {
        Event::MainStarted(MainStarted { pid: 2, restarts })
    }

    #[tokio::test]
    async fn a_late_watcher_learns_how_the_box_stands() {
        let events = Events::default();
        events.tell(started(0));
        events.tell(started(1));
        events.tell(Event::Health(HealthChanged::default()));
        let mut watch = events.watch();
        assert_eq!(watch.next().await.and_then(|event| event.event), Some(started(1)));
        assert_eq!(
            watch.next().await.and_then(|event| event.event),
            Some(Event::Health(HealthChanged::default()))
        );
        events.tell(started(2));
        events.close();
        assert_eq!(watch.next().await.and_then(|event| event.event), Some(started(2)));
        assert_eq!(watch.next().await, None);
        assert!(events.watch().next().await.is_some(), "how it stood");
    }

    #[tokio::test]
    async fn a_slow_watcher_is_told_what_it_lost() {
        let events = Events::default();
        let mut watch = events.watch();
        let told = u32::try_from(KEPT).expect("small") + 10;
        (0..told).for_each(|number| events.tell(started(number)));
        assert_eq!(watch.next().await.and_then(|event| event.event), Some(Event::Lost(10)));
        assert_eq!(watch.next().await.and_then(|event| event.event), Some(started(10)));
    }
}
