//! The Container service: makes the one container of the box.
//!
//! Called by the host over gRPC; calls `zygote` and opens `execution`'s table.

use boxlite_proto::v1::{ContainerInitRequest, ContainerInitResponse, container_server::Container};
use tonic::{Request, Response, Status};

use crate::{
    Error, Kind,
    container::Cgroup,
    execution::{Defaults, Executions, OomEvents},
    zygote::Zygote,
};

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct ContainerService {
    zygote: Zygote,
    executions: Executions,
}

impl ContainerService {
    pub(super) fn new(zygote: Zygote, executions: Executions) -> Self {
        Self { zygote, executions }
    }
}

#[tonic::async_trait]
impl Container for ContainerService {
    async fn init(
        &self,
        request: Request<ContainerInitRequest>,
    ) -> Result<Response<ContainerInitResponse>, Status> {
        if self.executions.is_open() {
            return Err(Error::new(Kind::State, "initialise container: it was done before").into());
        }
        let request = request.into_inner();
        let cgroup = Cgroup::of(&request.container_id)?;
        let defaults = Defaults::new(request.process.clone().unwrap_or_default());
        let init_pid = self.zygote.contain(request).await?;
        self.executions.open(defaults, OomEvents::open(&cgroup.memory_events()));
        Ok(Response::new(ContainerInitResponse { init_pid }))
    }
}
