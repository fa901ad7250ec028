//! `NativeCopy`: a copy between host and box under way. Made by `NativeFiles`, run by `lib/copy.ts`.

use std::sync::{Arc, Mutex, PoisonError};

use boxlite_runtime::{BoxliteError, BoxliteResult, ErrorCode, Meter};
use futures::{
    FutureExt as _,
    future::{AbortHandle, Abortable, BoxFuture},
};
use napi_derive::napi;

use crate::answer::{Answer, answer_while_there};

/// A copy of a tree under way.
#[napi]
pub struct NativeCopy {
    meter: Arc<Meter>,
    work: Mutex<Option<BoxFuture<'static, BoxliteResult<()>>>>,
    abort: AbortHandle,
}

/// The progress of a copy.
#[napi(object, object_from_js = false)]
pub struct CopyProgress {
    /// Files, folders and links.
    pub entries: i64,
    /// Bytes of file contents.
    pub bytes: i64,
    /// What was left out: devices, sockets and FIFOs.
    pub skipped: i64,
}

impl NativeCopy {
    pub(crate) fn new(
        meter: Arc<Meter>,
        work: impl Future<Output = BoxliteResult<()>> + Send + 'static,
    ) -> Self {
        let (abort, registration) = AbortHandle::new_pair();
        let work = Abortable::new(work, registration).map(|done| {
            done.unwrap_or_else(|_| Err(BoxliteError::new(ErrorCode::Aborted, "copy: it was aborted")))
        });
        Self { meter, work: Mutex::new(Some(work.boxed())), abort }
    }
}

#[napi]
impl NativeCopy {
    /// Copies, and resolves when all is copied. Call it once.
    #[napi]
    pub fn run(&self) -> Answer {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        answer_while_there(&(), async move |()| match work {
            Some(work) => work.await,
            None => Err(BoxliteError::new(ErrorCode::Internal, "copy: it was run before")),
        })
    }

    /// Returns the progress.
    #[napi]
    pub fn progress(&self) -> CopyProgress {
        let progress = self.meter.progress();
        CopyProgress {
            entries: progress.entries.cast_signed(),
            bytes: progress.bytes.cast_signed(),
            skipped: progress.skipped.cast_signed(),
        }
    }

    /// Cancels. What was copied stays.
    #[napi]
    pub fn abort(&self) {
        self.abort.abort();
    }
}
