//! What calls of all services have in common: how long they may take, and what becomes of their answers. Called by every interface.

use std::time::Duration;

use boxlite_error::BoxliteResult;
use boxlite_wire::limits;
use tokio::{pin, time::timeout};
use tonic::{Request, Response, Status, Streaming};

use crate::status::from_status;

/// The deadline of [`opening`] is counted in steps, each of which counts once however long it took.
const STEP: Duration = Duration::from_secs(1);

/// The request of a call that the guest answers within [`limits::UNARY_DEADLINE`].
pub(crate) fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(limits::UNARY_DEADLINE);
    request
}

/// The message that answers the operation `what`, or the error of that.
pub(crate) fn answered<T>(what: &str, answer: Result<Response<T>, Status>) -> BoxliteResult<T> {
    answer.map(Response::into_inner).map_err(|status| from_status(what, &status))
}

/// Opens a stream whose first message says whether the call succeeded. Returns the first message of what `call` answers, and the rest. If that takes longer than `limits::UNARY_DEADLINE`, `late` is
/// the text of the error.
pub(crate) async fn opening<T>(
    call: impl Future<Output = Result<Response<Streaming<T>>, Status>>,
    late: &str,
) -> Result<(Option<T>, Streaming<T>), Status> {
    let opening = async {
        let mut stream = call.await?.into_inner();
        Ok((stream.message().await?, stream))
    };
    pin!(opening);
    let mut left = limits::UNARY_DEADLINE;
    loop {
        match timeout(STEP, opening.as_mut()).await {
            Ok(opened) => return opened,
            Err(_) if left <= STEP => return Err(Status::deadline_exceeded(late)),
            // A host that was frozen during the step has not waited for the guest, and the answer may be there.
            Err(_) => left -= STEP,
        }
    }
}
