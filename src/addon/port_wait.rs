//! `NativePortWait`: a wait for something to listen on a port of a box, which can be cancelled. Wrapped by `lib/ports.ts`, calls `LiteBox`.

use std::{sync::Arc, time::Duration};

use boxlite_runtime::{BoxliteError, ErrorCode, LiteBox};
use napi_derive::napi;
use tokio::sync::Notify;

use crate::answer::{Answer, answer_while_there};

/// A wait for a port.
#[napi]
pub struct NativePortWait {
    litebox: LiteBox,
    port: u16,
    limit: Option<Duration>,
    cancelled: Arc<Notify>,
}

impl NativePortWait {
    pub(crate) fn new(litebox: LiteBox, port: u16, limit: Option<Duration>) -> Self {
        Self { litebox, port, limit, cancelled: Arc::default() }
    }
}

#[napi]
impl NativePortWait {
    /// Starts the box if it does not run, and waits, once.
    #[napi]
    pub fn wait(&self) -> Answer {
        let (port, limit, cancelled) = (self.port, self.limit, Arc::clone(&self.cancelled));
        answer_while_there(&self.litebox, async move |litebox| {
            tokio::select! {
                open = litebox.wait_for_port(port, limit) => open,
                () = cancelled.notified() => {
                    Err(BoxliteError::new(ErrorCode::Aborted, format!("wait for port {port}: aborted")))
                }
            }
        })
    }

    /// Cancels it.
    #[napi]
    pub fn cancel(&self) {
        self.cancelled.notify_one();
    }
}
