//! The Container service: makes the one container of the box.
//!
//! Called by the host over gRPC; calls `zygote`, `execution`, `files` and `supervision`.

use boxlite_proto::v1::{ContainerInitRequest, ContainerInitResponse, container_server::Container};
use tonic::{Request, Response, Status};

use crate::{
    Error, Kind,
    container::Cgroup,
    execution::{Defaults, Executions, OomEvents},
    files::Files,
    supervision::Supervisor,
    zygote::Zygote,
};

#[derive(Debug, Clone)]
pub(super) struct ContainerService {
    zygote: Zygote,
    executions: Executions,
    files: Files,
    supervisor: Supervisor,
}

impl ContainerService {
    pub(super) fn new(zygote: Zygote, executions: Executions, files: Files, supervisor: Supervisor) -> Self {
        Self { zygote, executions, files, supervisor }
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
        let mut request = request.into_inner();
        let config = request.supervision.take();
        let cgroup = Cgroup::of(&request.container_id)?;
        let cwd = request.process.as_ref().map(|process| process.cwd.clone()).unwrap_or_default();
        let defaults = Defaults::new(request.process.clone().unwrap_or_default());
        let main_is_init =
            config.as_ref().and_then(|config| config.main.as_ref()).is_some_and(|main| main.is_init);
        let init_pid = self.zygote.contain(request, main_is_init).await?;
        self.files.open(init_pid, &cwd)?;
        self.executions.open(defaults, OomEvents::open(&cgroup.memory_events()));
        let main_error = self.supervisor.begin(config, Some(cgroup)).await?;
        Ok(Response::new(ContainerInitResponse { init_pid, main_error }))
    }
}
