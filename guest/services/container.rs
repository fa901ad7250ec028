//! The Container service: makes the one container of the box.
//!
//! Called by the host over gRPC; calls `zygote`, and opens `execution`'s table and `files`.

use boxlite_proto::v1::{ContainerInitRequest, ContainerInitResponse, container_server::Container};
use tonic::{Request, Response, Status};

use crate::{
    Error, Kind,
    container::Cgroup,
    execution::{Defaults, Executions, OomEvents},
    files::Files,
    zygote::Zygote,
};

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct ContainerService {
    zygote: Zygote,
    executions: Executions,
    files: Files,
}

impl ContainerService {
    pub(super) fn new(zygote: Zygote, executions: Executions, files: Files) -> Self {
        Self { zygote, executions, files }
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
        let cwd = request.process.as_ref().map(|process| process.cwd.clone()).unwrap_or_default();
        let defaults = Defaults::new(request.process.clone().unwrap_or_default());
        let init_pid = self.zygote.contain(request).await?;
        self.files.open(init_pid, &cwd)?;
        self.executions.open(defaults, OomEvents::open(&cgroup.memory_events()));
        Ok(Response::new(ContainerInitResponse { init_pid, main_error: None }))
    }
}
