//! `NativeDial`: a connection to a port of a box that is being made, which can be cancelled. Wrapped by `lib/connection.ts`, calls `LiteBox`.

use std::{sync::Arc, time::Duration};

use boxlite_runtime::{BoxliteError, ErrorCode, LiteBox};
use napi_derive::napi;
use tokio::sync::Notify;

use crate::{
    answer::{Answer, answer_while_there},
    connection::NativeConnection,
};

/// A connection that is being made.
#[napi]
pub struct NativeDial {
    litebox: LiteBox,
    port: u16,
    limit: Option<Duration>,
    cancelled: Arc<Notify>,
}

impl NativeDial {
    pub(crate) fn new(litebox: LiteBox, port: u16, limit: Option<Duration>) -> Self {
        Self { litebox, port, limit, cancelled: Arc::default() }
    }
}

#[napi]
impl NativeDial {
    /// Starts the box if it does not run, and connects, once.
    #[napi]
    pub fn wait(&self) -> Answer {
        let (port, limit, cancelled) = (self.port, self.limit, Arc::clone(&self.cancelled));
        answer_while_there(&self.litebox, async move |litebox| {
            tokio::select! {
                connected = litebox.connect(port, limit) => connected.map(NativeConnection::from),
                () = cancelled.notified() => {
                    Err(BoxliteError::new(ErrorCode::Aborted, format!("connect to port {port}: aborted")))
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
