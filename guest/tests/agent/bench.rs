//! Services with a zygote of their own, and a host's calls of their Execution service. Used by the other files.

use boxlite_guest::{
    services::{AgentStart, Server, Services},
    supervision::HostStreams,
    zygote::{self, Zygote},
};
use boxlite_proto::v1::{
    AttachRequest, ExecOutput, ExecRequest, ExecResponse, ExitStatus, KillRequest, exec_output::Event,
    execution_client::ExecutionClient,
};
use boxlite_wire::limits;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tonic::{
    Status, Streaming,
    transport::{Channel, Endpoint},
};

/// A connection to services of its own. The zygote ends with the test: its socket closes.
pub(super) struct Bench {
    pub(super) client: ExecutionClient<Channel>,
    pub(super) server: Server,
    pub(super) _ended: watch::Sender<bool>,
}

impl Bench {
    pub(super) async fn new() -> Self {
        // It is forked from a test harness that has threads. glibc's allocator survives that, and the zygote's loop needs
        // nothing else. The real zygote is forked before any thread exists.
        let zygote = Zygote::new(zygote::launch().expect("fork the zygote")).expect("take the socket");
        zygote.uncontained().await.expect("serve on this machine");
        let (ended, watched) = watch::channel(false);
        let (streams, _) = HostStreams::new();
        let services = Services::uncontained(&zygote, AgentStart::now(), streams, ended.clone(), None);
        let services = services.await.expect("nothing to begin").0;
        let server = Server::new(services, watched);
        let client = connect(&server).await;
        Self { client, server, _ended: ended }
    }

    pub(super) async fn exec(&self, request: ExecRequest) -> Result<ExecResponse, Status> {
        Ok(self.client.clone().exec(request).await?.into_inner())
    }

    pub(super) async fn attach(&self, id: &str, offsets: [u64; 2]) -> Result<Streaming<ExecOutput>, Status> {
        let [stdout_offset, stderr_offset] = offsets.map(Some);
        let request = AttachRequest { execution_id: id.into(), stdout_offset, stderr_offset };
        Ok(self.client.clone().attach(request).await?.into_inner())
    }

    /// Ends every process of it.
    pub(super) async fn kill(&self, id: &str) {
        let kill = KillRequest { execution_id: id.into(), signal: nix::libc::SIGKILL, all: true };
        assert!(self.client.clone().kill(kill).await.expect("kill").into_inner().delivered);
    }

    /// Runs an execution with `Run`, as the portal starts most of them.
    pub(super) async fn run(&self, request: ExecRequest) -> Outcome {
        let mut events = self.client.clone().run(request).await.expect("run").into_inner();
        let first = events.message().await.expect("stream").and_then(|first| first.event);
        assert!(
            matches!(first, Some(Event::Started(ExecResponse { start_error: None, .. }))),
            "first: {first:?}"
        );
        read_all(events, [0, 0]).await
    }
}

pub(super) async fn connect(server: &Server) -> ExecutionClient<Channel> {
    ExecutionClient::new(channel(server).await)
}

pub(super) async fn channel(server: &Server) -> Channel {
    let server = server.clone();
    Endpoint::from_static("http://box")
        .initial_stream_window_size(limits::STREAM_WINDOW)
        .connect_with_connector(tower::service_fn(move |_| {
            let server = server.clone();
            async move {
                let (host, guest) = tokio::io::duplex(limits::CHUNK);
                tokio::spawn(async move { server.serve(guest).await });
                Ok::<_, std::io::Error>(TokioIo::new(host))
            }
        }))
        .await
        .expect("connect")
}

#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) exit: ExitStatus,
}

/// Reads to the end; checks that offsets are contiguous and that the exit comes last.
pub(super) async fn read_all(mut stream: Streaming<ExecOutput>, from: [u64; 2]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut exit = None;
    while let Some(message) = stream.message().await.expect("stream") {
        assert_eq!(exit, None, "nothing follows the exit");
        match message.event.expect("an event") {
            Event::Stdout(chunk) => {
                assert_eq!(chunk.offset, from[0] + outcome.stdout.len() as u64);
                assert!(chunk.data.len() <= limits::CHUNK);
                outcome.stdout.extend_from_slice(&chunk.data);
            }
            Event::Stderr(chunk) => {
                assert_eq!(chunk.offset, from[1] + outcome.stderr.len() as u64);
                outcome.stderr.extend_from_slice(&chunk.data);
            }
            Event::Exit(status) => exit = Some(status),
            Event::Started(_) => panic!("started, in the middle"),
        }
    }
    outcome.exit = exit.expect("an exit");
    outcome
}

/// `sh -c SCRIPT` as whoever runs the test.
pub(super) fn shell(id: &str, script: &str) -> ExecRequest {
    ExecRequest {
        execution_id: id.into(),
        command: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        user: format!("{}:{}", nix::unistd::getuid(), nix::unistd::getgid()),
        ..ExecRequest::default()
    }
}

pub(super) fn code(code: i32) -> ExitStatus {
    ExitStatus { code, ..ExitStatus::default() }
}
