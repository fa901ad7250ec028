//! The Supervisor service: the box's events, its figures, and changes to what it may use.
//!
//! Called by the host over gRPC; calls `supervision`.

use std::pin::Pin;

use boxlite_proto::v1::{
    AmendRequest, AmendResponse, BoxEvent, MetricsRequest, MetricsResponse, WatchRequest,
    supervisor_server::Supervisor as Service,
};
use futures::{Stream, stream};
use tonic::{Request, Response, Status};

use crate::supervision::Supervisor;

#[derive(Debug, Clone)]
pub(super) struct SupervisorService {
    supervisor: Supervisor,
}

impl SupervisorService {
    pub(super) fn new(supervisor: Supervisor) -> Self {
        Self { supervisor }
    }
}

#[tonic::async_trait]
impl Service for SupervisorService {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<BoxEvent, Status>> + Send>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let watch = self.supervisor.watch(request.into_inner().after);
        let events = stream::unfold(watch, async |mut watch| {
            let event = watch.next().await?;
            Some((Ok(event), watch))
        });
        Ok(Response::new(Box::pin(events)))
    }

    async fn metrics(&self, _: Request<MetricsRequest>) -> Result<Response<MetricsResponse>, Status> {
        Ok(Response::new(self.supervisor.metrics()))
    }

    async fn amend(&self, request: Request<AmendRequest>) -> Result<Response<AmendResponse>, Status> {
        self.supervisor.amend(request.into_inner())?;
        Ok(Response::new(AmendResponse {}))
    }
}
