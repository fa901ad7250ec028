//! The Container service: makes the one container of the box.
//!
//! Called by the host over gRPC; calls `zygote`, `network`, `execution`, `files` and `supervision`.

use std::sync::{Arc, OnceLock};

use boxlite_proto::v1::{ContainerInitRequest, ContainerInitResponse, container_server::Container};
use tonic::{Request, Response};

use super::Answer;
use crate::{
    Error, Kind,
    container::Cgroup,
    execution::{Defaults, OomEvents},
    network::Configured,
    supervision::Supervisor,
};

#[derive(Clone)]
pub(super) struct ContainerService {
    pub(super) supervisor: Supervisor,
    pub(super) network: Arc<OnceLock<Configured>>,
}

#[tonic::async_trait]
impl Container for ContainerService {
    async fn init(&self, request: Request<ContainerInitRequest>) -> Answer<ContainerInitResponse> {
        let supervisor = &self.supervisor;
        let executions = supervisor.executions();
        if executions.is_open() {
            return Err(Error::new(Kind::State, "initialise container: it was done before").into());
        }
        let mut request = request.into_inner();
        if let Some(network) = self.network.get() {
            network.add_to(&mut request);
        }
        let config = request.supervision.clone();
        let cgroup = Cgroup::of(&request.container_id)?;
        let process = request.process.clone().unwrap_or_default();
        let init_pid = supervisor.zygote().contain(request).await?;
        if let Some(network) = self.network.get() {
            network.raise()?;
        }
        supervisor.files().open(init_pid, &process.cwd)?;
        executions.open(Defaults::new(process), OomEvents::open(&cgroup.memory_events()));
        let main_error = supervisor.begin(config, Some(cgroup)).await?;
        Ok(Response::new(ContainerInitResponse { init_pid, main_error }))
    }
}
