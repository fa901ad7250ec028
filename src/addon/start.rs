//! `NativeStart`: the start of a box, which can be cancelled. Wrapped by `lib/start.ts`, calls `LiteBox`.

use std::{sync::Arc, time::Duration};

use boxlite_runtime::{BoxliteError, ErrorCode, LiteBox};
use napi_derive::napi;
use tokio::sync::Notify;

use crate::answer::{Answer, answer};

/// A start that one caller waits for.
#[napi]
pub struct NativeStart {
    litebox: LiteBox,
    boot: Option<Duration>,
    cancelled: Arc<Notify>,
}

impl NativeStart {
    pub(crate) fn new(litebox: LiteBox, boot: Option<Duration>) -> Self {
        Self { litebox, boot, cancelled: Arc::default() }
    }
}

#[napi]
impl NativeStart {
    /// Starts the box if it does not run, once.
    #[napi]
    pub fn wait(&self) -> Answer {
        let (boot, cancelled) = (self.boot, Arc::clone(&self.cancelled));
        answer(&self.litebox, async move |litebox| {
            tokio::select! {
                started = litebox.start(boot) => started,
                () = cancelled.notified() => {
                    Err(BoxliteError::new(ErrorCode::Aborted, "start a box: aborted"))
                }
            }
        })
    }

    /// Cancels it, unless somebody else waits for it too.
    #[napi]
    pub fn cancel(&self) {
        self.cancelled.notify_one();
    }
}
