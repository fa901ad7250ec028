//! From a gRPC status to a `BoxliteError`: the one table of this direction.

use tonic::{Code, Status};

use crate::{BoxliteError, ErrorCode};

/// How often in a row a lost connection is made again for one thing.
pub(crate) const REJOINS: u32 = 3;

/// The failure of the operation `what`.
pub(crate) fn from_status(what: &str, status: &Status) -> BoxliteError {
    let code = match status.code() {
        Code::DeadlineExceeded => ErrorCode::GuestTimeout,
        Code::NotFound => ErrorCode::ExecNotFound,
        Code::InvalidArgument => ErrorCode::InvalidArgument,
        _ if is_lost(status) => ErrorCode::PortalLost,
        _ => ErrorCode::Rpc,
    };
    let message = match code {
        ErrorCode::PortalLost => format!("{what}: the connection to the box was lost"),
        ErrorCode::GuestTimeout => format!("{what}: the box did not answer in time"),
        _ => format!("{what}: {}", bounded(status.message())),
    };
    let error = BoxliteError::new(code, message);
    if code == ErrorCode::PortalLost { error.caused_by(status.clone()) } else { error }
}

/// Whether the connection broke, as opposed to the guest answering with an error.
pub(crate) fn is_lost(status: &Status) -> bool {
    // tonic reports a broken transport as Unavailable, or as Unknown, Internal or Cancelled with the h2 error as source.
    status.code() == Code::Unavailable || std::error::Error::source(status).is_some()
}

/// What a guest did that the protocol forbids.
pub(crate) fn broken(what: &str, how: &str) -> BoxliteError {
    BoxliteError::new(ErrorCode::Rpc, format!("{what}: the box broke the protocol: {how}"))
}

/// A guest's text, short and without control characters.
pub(super) fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(1000).collect()
}
