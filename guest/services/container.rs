//! The Container service: makes the one container of the box.
//!
//! Called by the host over gRPC; calls `zygote`, `execution`, `files` and `supervision`.

use boxlite_proto::v1::{ContainerInitRequest, ContainerInitResponse, container_server::Container};
use tonic::{Request, Response};

use super::Answer;
use crate::{
    Error, Kind,
    container::Cgroup,
    execution::{Defaults, OomEvents},
    supervision::Supervisor,
};

#[derive(Clone)]
pub(super) struct ContainerService(pub(super) Supervisor);

#[tonic::async_trait]
impl Container for ContainerService {
    async fn init(&self, request: Request<ContainerInitRequest>) -> Answer<ContainerInitResponse> {
        let executions = self.0.executions();
        if executions.is_open() {
            return Err(Error::new(Kind::State, "initialise container: it was done before").into());
        }
        let request = request.into_inner();
        let config = request.supervision.clone();
        let cgroup = Cgroup::of(&request.container_id)?;
        let process = request.process.clone().unwrap_or_default();
        let init_pid = self.0.zygote().contain(request).await?;
        self.0.files().open(init_pid, &process.cwd)?;
        executions.open(Defaults::new(process), OomEvents::open(&cgroup.memory_events()));
        let main_error = self.0.begin(config, Some(cgroup)).await?;
        Ok(Response::new(ContainerInitResponse { init_pid, main_error }))
    }
}
