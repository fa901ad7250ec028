//! An answer that counts as a use of the box until its last byte was sent.
//!
//! Created by `server` for every call of the host that counts as a use.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;

use crate::activity::Use;

/// A body that ends the use when it is dropped.
struct Used {
    body: Body,
    _use: Use,
}

/// Lets the use last until `answer` has been sent.
pub(super) fn used<E>(
    usage: Use,
    answer: impl Future<Output = Result<Response<Body>, E>> + Send + 'static,
) -> Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>> {
    Box::pin(async move { Ok(answer.await?.map(|body| Body::new(Used { body, _use: usage }))) })
}

impl HttpBody for Used {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
