//! The Supervisor service: the box's events, its figures, and changes to what it may use.
//!
//! Called by the host over gRPC; calls `supervision`, and `files` for authorities that the box gets while it runs.

use std::sync::{Arc, OnceLock};

use boxlite_proto::v1::{
    AmendRequest, AmendResponse, BoxEvent, MetricsRequest, MetricsResponse, WatchRequest,
    supervisor_server::Supervisor as Service,
};
use futures::{StreamExt as _, stream};
use tonic::{Request, Response};

use super::{Answer, Answers};
use crate::{network::Configured, supervision::Supervisor};

#[derive(Clone)]
pub(super) struct SupervisorService {
    pub(super) supervisor: Supervisor,
    pub(super) network: Arc<OnceLock<Configured>>,
}

#[tonic::async_trait]
impl Service for SupervisorService {
    type WatchStream = Answers<BoxEvent>;

    async fn watch(&self, request: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        let watch = self.supervisor.watch(request.into_inner().after);
        let events = stream::unfold(watch, async |mut watch| Some((Ok(watch.next().await?), watch)));
        Ok(Response::new(events.boxed()))
    }

    async fn metrics(&self, _: Request<MetricsRequest>) -> Answer<MetricsResponse> {
        Ok(Response::new(self.supervisor.metrics()))
    }

    async fn amend(&self, request: Request<AmendRequest>) -> Answer<AmendResponse> {
        let request = request.into_inner();
        // Before the environment, whose variables may name the file with the authorities.
        let network = self.network.get().cloned().unwrap_or_default();
        if let Some(certificates) = network.trusting(&request.authority) {
            self.supervisor.files().trust(certificates).await?;
        }
        self.supervisor.amend(request)?;
        Ok(Response::new(AmendResponse {}))
    }
}
