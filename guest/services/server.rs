//! HTTP/2 connections, each served with all services.
//!
//! Called by `transport` for every connection of the host. On hyper itself: tonic's own server wants a router and a
//! stack of layers, and there is one path prefix for each service here.

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc};

use boxlite_proto::v1::{
    container_server::ContainerServer, execution_server::ExecutionServer, files_server::FilesServer,
    guest_server::GuestServer, supervisor_server::SupervisorServer,
};
use boxlite_wire::limits;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};
use tonic::{Status, body::Body};
use tower::Service;

use super::{
    container::ContainerService, execution::ExecutionService, files::FilesService, guest::GuestService,
    supervisor::SupervisorService, used::used,
};
use crate::{
    activity::Activity,
    execution::Executions,
    files::Files,
    services::AgentStart,
    supervision::{Ending, HostLine, Supervisor},
    zygote::Zygote,
};

/// The services, joined to one zygote.
#[derive(Debug, Clone)]
pub struct Services {
    activity: Activity,
    ended_by: Supervisor,
    guest: GuestServer<GuestService>,
    container: ContainerServer<ContainerService>,
    execution: ExecutionServer<ExecutionService>,
    files: FilesServer<FilesService>,
    supervisor: SupervisorServer<SupervisorService>,
}

/// What the services act on.
struct Rooms {
    zygote: Zygote,
    activity: Activity,
    executions: Executions,
    files: Files,
    supervisor: Supervisor,
}

impl Rooms {
    fn new(zygote: &Zygote, line: HostLine, ended: watch::Sender<bool>) -> Self {
        let (activity, files) = (Activity::default(), Files::default());
        let executions = Executions::new(zygote.clone(), activity.clone());
        let supervisor =
            Supervisor::new(zygote.clone(), executions.clone(), files.clone(), activity.clone(), line, ended);
        Self { zygote: zygote.clone(), activity, executions, files, supervisor }
    }
}

impl Services {
    /// `start` is when this process began; the journal is asked for on `line`; `ended` is set when the machine is to be
    /// switched off.
    pub fn new(zygote: &Zygote, start: AgentStart, line: HostLine, ended: watch::Sender<bool>) -> Self {
        Self::of(Rooms::new(zygote, line, ended), start)
    }

    /// For tests without a container: executions run with the defaults, and `orders` are begun at once.
    #[cfg(any(test, feature = "testing"))]
    pub async fn uncontained(
        zygote: &Zygote,
        start: AgentStart,
        line: HostLine,
        ended: watch::Sender<bool>,
        orders: Option<boxlite_proto::v1::Supervision>,
    ) -> crate::Result<(Self, Option<boxlite_proto::v1::StartError>)> {
        let rooms = Rooms::new(zygote, line, ended);
        rooms.executions.open(crate::execution::Defaults::default(), None);
        // Without threads every operation says that there is no container.
        let _ = rooms.files.open_uncontained();
        let main_error = rooms.supervisor.begin(orders, None).await?;
        Ok((Self::of(rooms, start), main_error))
    }

    /// Who wanted the machine's end, once `ended` is set.
    pub fn wanted_by(&self) -> Ending {
        self.ended_by.wanted_by()
    }

    fn of(rooms: Rooms, start: AgentStart) -> Self {
        let Rooms { zygote, activity, executions, files, supervisor } = rooms;
        let guest = GuestService::new(supervisor.clone(), start);
        let container = ContainerService::new(zygote, executions.clone(), files.clone(), supervisor.clone());
        Self {
            activity,
            ended_by: supervisor.clone(),
            guest: GuestServer::new(guest).max_decoding_message_size(limits::MESSAGE),
            container: ContainerServer::new(container).max_decoding_message_size(limits::COMMAND_MESSAGE),
            execution: ExecutionServer::new(ExecutionService::new(executions))
                .max_decoding_message_size(limits::COMMAND_MESSAGE),
            files: FilesServer::new(FilesService::new(files)).max_decoding_message_size(limits::MESSAGE),
            supervisor: SupervisorServer::new(SupervisorService::new(supervisor))
                .max_decoding_message_size(limits::MESSAGE),
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl hyper::service::Service<Request<Incoming>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        if path.starts_with("/boxlite.v1.Supervisor/") {
            return self.supervisor.clone().call(request);
        }
        if path == "/boxlite.v1.Guest/Ping" {
            return self.guest.clone().call(request);
        }
        // All else is use of the box, for as long as it lasts.
        match self.activity.in_use() {
            Some(one) => used(one, self.route(request)),
            None => self.route(request),
        }
    }
}

impl Services {
    fn route(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        if path.starts_with("/boxlite.v1.Execution/") {
            self.execution.clone().call(request)
        } else if path.starts_with("/boxlite.v1.Files/") {
            self.files.clone().call(request)
        } else if path.starts_with("/boxlite.v1.Guest/") {
            self.guest.clone().call(request)
        } else if path.starts_with("/boxlite.v1.Container/") {
            self.container.clone().call(request)
        } else {
            let status = Status::unimplemented(format!("call {path}: no such service"));
            Box::pin(async move { Ok(status.into_http()) })
        }
    }
}

/// Serves connections until the machine is to end.
#[derive(Debug, Clone)]
pub struct Server {
    services: Services,
    ended: watch::Receiver<bool>,
    /// Held by every connection that is open: when all are dropped, all answers have left.
    open: Arc<watch::Sender<()>>,
}

impl Server {
    /// `ended` asks every connection to finish what is under way and close.
    pub fn new(services: Services, ended: watch::Receiver<bool>) -> Self {
        Self { services, ended, open: Arc::new(watch::Sender::new(())) }
    }

    /// Serves one connection to its end.
    pub async fn serve<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, io: I) {
        let _open = self.open.subscribe();
        let mut ended = self.ended.clone();
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.initial_stream_window_size(limits::STREAM_WINDOW)
            .initial_connection_window_size(limits::CONNECTION_WINDOW)
            .max_concurrent_streams(limits::CONCURRENT_STREAMS)
            // Output goes out in whole chunks; what the host accepts in one frame is its own setting.
            .max_send_buf_size(limits::CHUNK)
            .max_frame_size(limits::FRAME)
            .auto_date_header(false);
        let connection = http.serve_connection(TokioIo::new(io), self.services.clone());
        tokio::pin!(connection);
        // A connection that breaks is the host's to notice: it comes back with another.
        let _ = tokio::select! {
            served = connection.as_mut() => served,
            () = until(&mut ended) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
    }

    /// Waits until no connection is open.
    pub async fn closed(&self) {
        self.open.closed().await;
    }
}

/// Waits until the machine is to end; if nobody can say so any more, it is.
async fn until(ended: &mut watch::Receiver<bool>) {
    let _ = ended.wait_for(|ended| *ended).await;
}
