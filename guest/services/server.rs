//! HTTP/2 connections, each served with all three services.
//!
//! Called by `transport` for every connection of the host. On hyper itself: tonic's own server wants a router and a
//! stack of layers, and there is one path prefix for each service here.

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc};

use boxlite_proto::{
    limits,
    v1::{
        container_server::ContainerServer, execution_server::ExecutionServer, files_server::FilesServer,
        guest_server::GuestServer,
    },
};
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
};
use crate::{execution::Executions, files::Files, services::AgentStart, zygote::Zygote};

/// The services, joined to one zygote.
#[derive(Debug, Clone)]
pub struct Services {
    guest: GuestServer<GuestService>,
    container: ContainerServer<ContainerService>,
    execution: ExecutionServer<ExecutionService>,
    files: FilesServer<FilesService>,
}

impl Services {
    /// `start` is when this process began; `ended` is set when the machine is to be switched off.
    pub fn new(zygote: &Zygote, start: AgentStart, ended: watch::Sender<bool>) -> Self {
        let (executions, files) = (Executions::new(zygote.clone()), Files::default());
        let guest = GuestService::new(zygote.clone(), files.clone(), start, ended);
        let container = ContainerService::new(zygote.clone(), executions.clone(), files.clone());
        Self {
            guest: GuestServer::new(guest).max_decoding_message_size(limits::MESSAGE),
            container: ContainerServer::new(container).max_decoding_message_size(limits::MESSAGE),
            execution: ExecutionServer::new(ExecutionService::new(executions))
                .max_decoding_message_size(limits::MESSAGE),
            files: FilesServer::new(FilesService::new(files)).max_decoding_message_size(limits::MESSAGE),
        }
    }

    /// For tests without a container: executions run with these defaults.
    #[cfg(any(test, feature = "testing"))]
    pub fn uncontained(zygote: &Zygote, start: AgentStart, ended: watch::Sender<bool>) -> Self {
        let executions = Executions::new(zygote.clone());
        executions.open(crate::execution::Defaults::default(), None);
        let files = Files::default();
        // Without threads every operation says that there is no container.
        let _ = files.open_uncontained();
        let guest = GuestService::new(zygote.clone(), files.clone(), start, ended);
        let container = ContainerService::new(zygote.clone(), executions.clone(), files.clone());
        Self {
            guest: GuestServer::new(guest),
            container: ContainerServer::new(container),
            execution: ExecutionServer::new(ExecutionService::new(executions)),
            files: FilesServer::new(FilesService::new(files)),
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
