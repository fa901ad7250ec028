//! The opening of a stream whose first message says whether it stands: called by `execution` and `files`.

use boxlite_proto::limits;
use tokio::time::timeout;
use tonic::{Response, Status, Streaming};

/// The first message of what `call` answers, and the rest; `late` says what a guest that takes too long has not done.
pub(super) async fn opening<T>(
    call: impl Future<Output = Result<Response<Streaming<T>>, Status>>,
    late: &str,
) -> Result<(Option<T>, Streaming<T>), Status> {
    let opening = async {
        let mut stream = call.await?.into_inner();
        Ok((stream.message().await?, stream))
    };
    timeout(limits::UNARY_DEADLINE, opening).await.unwrap_or_else(|_| Err(Status::deadline_exceeded(late)))
}
