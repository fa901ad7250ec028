//! Opens a stream whose first message says whether the call succeeded. Called by `execution` and `files`.

use std::time::Duration;

use boxlite_wire::limits;
use tokio::{pin, time::timeout};
use tonic::{Response, Status, Streaming};

/// The deadline is counted in steps, each of which counts once however long it took.
const STEP: Duration = Duration::from_secs(1);

/// Returns the first message of what `call` answers, and the rest. If that takes longer than `limits::UNARY_DEADLINE`, `late` is
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
