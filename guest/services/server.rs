//! HTTP/2 connections, each served with all services.
//!
//! Called by `transport` for every connection of the host. It uses hyper itself, since tonic's own server requires a router and a
//! stack of layers, while each service has one path prefix here.

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
    dial::Dialer,
    services::AgentStart,
    supervision::{EndedBy, HostStreams, Supervisor},
    zygote::Zygote,
};

/// The services, joined to one zygote.
#[derive(Clone)]
pub struct Services {
    supervision: Supervisor,
    dialer: Dialer,
    guest: GuestServer<GuestService>,
    container: ContainerServer<ContainerService>,
    execution: ExecutionServer<ExecutionService>,
    files: FilesServer<FilesService>,
    supervisor: SupervisorServer<SupervisorService>,
}

impl Services {
    /// `start` is when this process started, the journal goes over one of the `host_streams`, and `ended` is set when the machine is
    /// to be switched off.
    pub fn new(
        zygote: &Zygote,
        start: AgentStart,
        host_streams: HostStreams,
        ended: watch::Sender<bool>,
    ) -> Self {
        let (most, most_of_command) = (limits::MESSAGE, limits::COMMAND_MESSAGE);
        let supervisor = Supervisor::new(zygote.clone(), host_streams, ended);
        let execution = ExecutionServer::new(ExecutionService(supervisor.executions().clone()));
        let files = FilesServer::new(FilesService(supervisor.files().clone()));
        let network = Arc::default();
        let container = ContainerService { supervisor: supervisor.clone(), network: Arc::clone(&network) };
        let container = ContainerServer::new(container);
        let supervising = SupervisorService { supervisor: supervisor.clone(), network: Arc::clone(&network) };
        let guest = GuestServer::new(GuestService::new(supervisor.clone(), start, network));
        Self {
            guest: guest.max_decoding_message_size(most),
            container: container.max_decoding_message_size(most_of_command),
            execution: execution.max_decoding_message_size(most_of_command),
            files: files.max_decoding_message_size(most),
            supervisor: SupervisorServer::new(supervising).max_decoding_message_size(most),
            supervision: supervisor,
            dialer: Dialer::default(),
        }
    }

    /// Makes services without a container for tests: executions run with the defaults, and `config` is applied at once.
    ///
    /// # Errors
    /// Fails if the zygote or the supervision can't be started.
    #[cfg(any(test, feature = "testing"))]
    pub async fn uncontained(
        zygote: &Zygote,
        start: AgentStart,
        host_streams: HostStreams,
        ended: watch::Sender<bool>,
        config: Option<boxlite_proto::v1::Supervision>,
    ) -> crate::Result<(Self, Option<boxlite_proto::v1::StartError>)> {
        let services = Self::new(zygote, start, host_streams, ended);
        let supervisor = &services.supervision;
        supervisor.executions().open(crate::execution::Defaults::default(), None);
        // If this fails, every operation on files reports that there is no container.
        let _ = supervisor.files().open_uncontained();
        let main_error = supervisor.begin(config, None).await?;
        Ok((services, main_error))
    }

    /// Which side ended the machine, once `ended` is set.
    pub fn ended_by(&self) -> EndedBy {
        self.supervision.ended_by()
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl hyper::service::Service<Request<Incoming>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        let name = path.strip_prefix("/boxlite.v1.").and_then(|name| name.split_once('/'));
        // Every other call is a use of the box, for as long as it lasts.
        let usage = match name {
            Some(("Supervisor", _)) => None,
            _ => self.supervision.activity().in_use(),
        };
        let answer: Answer = match name.map(|(service, _)| service) {
            Some("Execution") => self.execution.clone().call(request),
            Some("Files") => self.files.clone().call(request),
            Some("Guest") => self.guest.clone().call(request),
            Some("Container") => self.container.clone().call(request),
            Some("Supervisor") => self.supervisor.clone().call(request),
            _ => {
                let status = Status::unimplemented(format!("call {path}: no such service"));
                Box::pin(async move { Ok(status.into_http()) })
            }
        };
        match usage {
            Some(usage) => Box::pin(async { Ok(answer.await?.map(|body| used(body, usage))) }),
            None => answer,
        }
    }
}

/// Serves connections until the machine is to be switched off.
#[derive(Clone)]
pub struct Server {
    services: Services,
    ended: watch::Receiver<bool>,
    /// Every open connection has a receiver. When all are dropped, all answers have been sent.
    open: Arc<watch::Sender<()>>,
}

impl Server {
    /// `ended` makes every connection finish its calls and close.
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
            // Output is sent in whole chunks. What the host accepts in one frame is its own setting.
            .max_send_buf_size(limits::CHUNK)
            .max_frame_size(limits::FRAME)
            .auto_date_header(false);
        let connection = http.serve_connection(TokioIo::new(io), self.services.clone());
        tokio::pin!(connection);
        // An error of the connection is ignored: the host connects again.
        let _ = tokio::select! {
            served = connection.as_mut() => served,
            () = until(&mut ended) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
    }

    /// Connects one stream to a port in the box, which is a use of the box for as long as it lasts. Such a stream does not keep the
    /// machine from being switched off.
    pub async fn dial<I: AsyncRead + AsyncWrite + Unpin>(&self, io: I) {
        let _use = self.services.supervision.activity().hold();
        self.services.dialer.serve(io).await;
    }

    /// Waits until no connection is open.
    pub async fn closed(&self) {
        self.open.closed().await;
    }
}

/// Waits until the machine is to be switched off, which is also the case if the sender is gone.
async fn until(ended: &mut watch::Receiver<bool>) {
    let _ = ended.wait_for(|ended| *ended).await;
}
