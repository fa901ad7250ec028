//! An answer that counts as a use of the box until its last byte was sent.
//!
//! Created by `server` for every call of the host that counts as a use.

use http_body_util::BodyExt as _;
use tonic::body::Body;

use crate::activity::Use;

/// `body`, whose owner drops it when all is sent, and `usage` with it.
pub(super) fn used(body: Body, usage: Use) -> Body {
    Body::new(body.map_frame(move |frame| {
        let _ = &usage;
        frame
    }))
}
