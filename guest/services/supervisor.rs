//! The Supervisor service: the box's events, its figures, and changes to what it may use.
//!
//! Called by the host over gRPC; calls `supervision`.

use boxlite_proto::v1::{
    AmendRequest, AmendResponse, BoxEvent, MetricsRequest, MetricsResponse, WatchRequest,
    supervisor_server::Supervisor as Service,
};
use futures::{StreamExt as _, stream};
use tonic::{Request, Response};

use super::{Answer, Answers};
use crate::supervision::Supervisor;

#[derive(Clone)]
pub(super) struct SupervisorService(pub(super) Supervisor);

#[tonic::async_trait]
impl Service for SupervisorService {
    type WatchStream = Answers<BoxEvent>;

    async fn watch(&self, request: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        let watch = self.0.watch(request.into_inner().after);
        let events = stream::unfold(watch, async |mut watch| Some((Ok(watch.next().await?), watch)));
        Ok(Response::new(events.boxed()))
    }

    async fn metrics(&self, _: Request<MetricsRequest>) -> Answer<MetricsResponse> {
        Ok(Response::new(self.0.metrics()))
    }

    async fn amend(&self, request: Request<AmendRequest>) -> Answer<AmendResponse> {
        self.0.amend(request.into_inner())?;
        Ok(Response::new(AmendResponse {}))
    }
}
