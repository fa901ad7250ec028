//! The opening of a stream whose first message says whether it stands: called by `execution` and `files`.

use std::time::Duration;

use boxlite_wire::limits;
use tokio::{pin, time::timeout};
use tonic::{Response, Status, Streaming};

/// What counts of a deadline at a time.
const STEP: Duration = Duration::from_secs(1);

/// The first message of what `call` answers, and the rest; `late` says what a guest that takes too long has not done.
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
            // However long it took: a host that was frozen meanwhile has not waited, and the answer may be there.
            Err(_) => left -= STEP,
        }
    }
}
