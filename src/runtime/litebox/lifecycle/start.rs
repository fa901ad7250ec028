//! `Start`: a start under way, for any number of callers. It is cut short when the last of them goes away, when the box is
//! removed and when the runtime closes. Made by `startup`.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use boxlite_error::{BoxliteError, ErrorCode};
use tokio::sync::watch;

use crate::litebox::lifecycle::{machine::Machine, task::Task};

/// Why a start is cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::litebox) enum Cut {
    /// Nobody waits for it any more.
    Aborted,
    /// The box is being removed.
    Removed,
    /// The runtime is closing.
    Closed,
}

impl Cut {
    /// What the start of box `id` fails with.
    pub(in crate::litebox) fn error(self, id: &str) -> BoxliteError {
        let (code, why) = match self {
            Self::Aborted => (ErrorCode::Aborted, "aborted"),
            Self::Removed => (ErrorCode::BoxRemoved, "it is being removed"),
            Self::Closed => (ErrorCode::RuntimeClosed, "the runtime was closed"),
        };
        BoxliteError::new(code, format!("start box `{id}`: {why}"))
    }
}

/// A start and how to end it early. Clones are the same start.
#[derive(Debug, Clone)]
pub(in crate::litebox) struct Start {
    pub(in crate::litebox) task: Task<Arc<Machine>>,
    pub(in crate::litebox) handle: StartHandle,
}

/// The callers of a start, and whether it is to be cut short; shared with the start itself.
#[derive(Debug, Clone, Default)]
pub(in crate::litebox) struct StartHandle {
    callers: Arc<AtomicUsize>,
    cut: watch::Sender<Option<Cut>>,
}

/// A caller that waits for the start.
#[derive(Debug)]
pub(in crate::litebox) struct Caller(StartHandle);

impl StartHandle {
    /// Adds a caller. Call it while the box's local state is locked.
    pub(in crate::litebox) fn join(&self) -> Caller {
        self.callers.fetch_add(1, Ordering::AcqRel);
        Caller(self.clone())
    }

    /// Makes the start end as soon as it can.
    pub(in crate::litebox) fn cut(&self, why: Cut) {
        self.cut.send_if_modified(|cut| cut.is_none().then(|| *cut = Some(why)).is_some());
    }

    /// Waits until the start is to end early.
    pub(in crate::litebox) async fn cut_short(&self) -> Cut {
        let mut cut = self.cut.subscribe();
        let why = cut.wait_for(Option::is_some).await.ok().and_then(|why| *why);
        // The sender lives in this handle, so there is always a reason.
        why.unwrap_or(Cut::Aborted)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if self.0.callers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.cut(Cut::Aborted);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_start_is_given_up_with_its_last_caller_and_not_before() {
        let start = StartHandle::default();
        let (first, second) = (start.join(), start.join());
        drop(first);
        assert_eq!(start.cut_short().now_or_never(), None);
        drop(second);
        assert_eq!(start.cut_short().await, Cut::Aborted);
    }

    #[tokio::test]
    async fn the_first_reason_counts() {
        let start = StartHandle::default();
        let caller = start.join();
        start.cut(Cut::Removed);
        drop(caller);
        assert_eq!(start.cut_short().await, Cut::Removed);
    }
}
