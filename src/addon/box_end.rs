//! `NativeBoxEnd`: the wait for a box's end, which can be cancelled. Wrapped by `lib/box-end.ts`, calls `LiteBox`.

use std::sync::Arc;

use boxlite_runtime::{BoxliteError, ErrorCode, LiteBox, signal_name};
use napi_derive::napi;
use tokio::sync::Notify;

use crate::answer::{Answer, answer_while_there};

/// How a box ended.
#[napi(object, object_from_js = false)]
pub struct BoxEnd {
    /// `stopped` or `failed`; `created` of a box that never ran.
    pub state: &'static str,
    /// Exit code of its main process, if it had one.
    pub exit_code: Option<i32>,
    /// Signal that ended its main process, by number.
    pub signal: Option<String>,
    /// Whether the box ran out of memory, if that is known.
    pub oom: bool,
    /// Why it failed.
    pub failure: Option<String>,
}

impl From<boxlite_runtime::BoxEnd> for BoxEnd {
    fn from(end: boxlite_runtime::BoxEnd) -> Self {
        let boxlite_runtime::BoxEnd { state, exit_code, signal, oom, failure } = end;
        Self { state: state.as_str(), exit_code, signal: signal.map(signal_name), oom, failure }
    }
}

/// A wait under way.
#[napi]
pub struct NativeBoxEnd {
    litebox: LiteBox,
    given_up: Arc<Notify>,
}

impl NativeBoxEnd {
    pub(crate) fn new(litebox: LiteBox) -> Self {
        Self { litebox, given_up: Arc::default() }
    }
}

#[napi]
impl NativeBoxEnd {
    /// Waits for the end, once.
    #[napi]
    pub fn wait(&self) -> Answer {
        let given_up = Arc::clone(&self.given_up);
        answer_while_there(&self.litebox, async move |litebox| {
            tokio::select! {
                end = litebox.wait() => end.map(BoxEnd::from),
                () = given_up.notified() => {
                    Err(BoxliteError::new(ErrorCode::Aborted, "wait for the end of a box: aborted"))
                }
            }
        })
    }

    /// Ends the wait.
    #[napi]
    pub fn cancel(&self) {
        self.given_up.notify_one();
    }
}
