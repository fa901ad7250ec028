//! Converts a gRPC status to a `BoxliteError`. Called by every interface of this crate.

use std::{error::Error as _, iter::successors};

use boxlite_error::{BoxliteError, ErrorCode};
use tonic::{Code, Status, TimeoutExpired};

/// Returns the error of the operation `what`.
pub(crate) fn from_status(what: &str, status: &Status) -> BoxliteError {
    let code = match status.code() {
        _ if is_late(status) => ErrorCode::GuestTimeout,
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
    !is_late(status) && (status.code() == Code::Unavailable || status.source().is_some())
}

/// Whether a deadline passed. tonic reports its own as Cancelled, with the reason as source.
fn is_late(status: &Status) -> bool {
    let mut causes = successors(status.source(), |&cause| cause.source());
    status.code() == Code::DeadlineExceeded || causes.any(<dyn std::error::Error>::is::<TimeoutExpired>)
}

/// What a guest did that the protocol forbids.
pub fn broken(what: &str, how: &str) -> BoxliteError {
    BoxliteError::new(ErrorCode::Rpc, format!("{what}: the box broke the protocol: {how}"))
}

/// A guest's text, short and without control characters.
pub(crate) fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(1000).collect()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_deadline_is_told_from_a_broken_connection() {
        let late = Status::from_error(Box::new(TimeoutExpired(())));
        assert!(!is_lost(&late));
        assert_eq!(from_status("query", &late).code(), ErrorCode::GuestTimeout);
        let ours = Status::deadline_exceeded("it said nothing");
        assert_eq!(from_status("query", &ours).code(), ErrorCode::GuestTimeout);
        let broken = Status::from_error(Box::new(io::Error::from(io::ErrorKind::BrokenPipe)));
        assert!(is_lost(&broken));
        assert_eq!(from_status("query", &broken).code(), ErrorCode::PortalLost);
        // An error that the guest itself returned has no cause.
        assert_eq!(from_status("query", &Status::cancelled("no")).code(), ErrorCode::Rpc);
    }
}
