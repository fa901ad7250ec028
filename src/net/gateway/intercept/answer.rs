//! What the box is told when something is refused: HTTP answers with a reason that people can read, and the alert of TLS.

use std::fmt::Write;

use bytes::Bytes;
use http::{
    Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, HeaderValue},
};
use http_body_util::{Either, Full};
use hyper::body::Incoming;

use crate::decision::{Destination, Refused};

/// The body of an answer to the box: the server's own, or a reason.
pub(in crate::gateway) type Body = Either<Incoming, Full<Bytes>>;

/// The fatal alert `access_denied` (RFC 8446, 6.2).
pub(super) const TLS_ACCESS_DENIED: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 49];

/// Why a destination is refused, which rule did it, and what would allow it.
pub(in crate::gateway) fn refusal(to: Destination, refused: &Refused) -> String {
    let (port, rule) = (to.port, &refused.rule);
    let name = refused.name.clone().unwrap_or_else(|| to.address.to_string());
    let mut text = format!("The network policy of this box refuses {name}, port {port}.\nRule: {rule}\n");
    let _ = match &refused.name {
        Some(name) if rule == "default" => {
            writeln!(text, "To allow it, add `{name}:{port}` to the list `allow` of the box's network.")
        }
        Some(name) => writeln!(
            text,
            "To allow it, remove that rule, and add `{name}:{port}` to the list `allow` of the box's network if it is not in there."
        ),
        None => writeln!(
            text,
            "The box may reach this address by name only. Each request has to have one Host, which is a name that is allowed."
        ),
    };
    text
}

/// An answer with a reason, after which the connection ends.
pub(in crate::gateway) fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Either::Right(Full::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The bytes of an HTTP/1 answer 403 with a reason.
pub(super) fn forbidden(text: &str) -> Vec<u8> {
    let length = text.len();
    format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    )
    .into_bytes()
}
