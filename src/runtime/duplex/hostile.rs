//! A guest that lies: every lie ends in a clear error, never in wrong data, a hang or a panic.

use std::{
    future::pending,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use boxlite_error::{BoxliteError, ErrorCode};
use boxlite_portal::{ExecEvent, ExecOptions};
use boxlite_proto::v1::{
    AttachRequest, Chunk, ExecOutput, ExecRequest, ExecResponse, ExecStdin, ExitStatus as ExitMessage,
    KillRequest, KillResponse, ListRequest, ListResponse, ResizeTtyRequest, ResizeTtyResponse, SendInputAck,
    StartError, WaitRequest, WaitResponse,
    exec_output::Event,
    execution_server::{Execution as Service, ExecutionServer},
};
use bytes::Bytes;
use tokio_stream::{Iter, Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming, transport::Server};

use crate::{
    duplex::{machine, spawn},
    litebox::{
        executions::{
            collect::{CollectOptions, ExecFailure, collect},
            execution::Execution,
        },
        lifecycle::machine::Machine,
    },
};

type Script = Vec<Result<ExecOutput, Status>>;
/// What `Attach` answers.
type Events = Pin<Box<dyn Stream<Item = Result<ExecOutput, Status>> + Send>>;

/// Says to `Attach` what its script says, once.
struct Liar {
    script: Mutex<Option<Script>>,
    start: ExecResponse,
}

#[tonic::async_trait]
impl Service for Liar {
    type AttachStream = Iter<std::vec::IntoIter<Result<ExecOutput, Status>>>;

    async fn exec(&self, _: Request<ExecRequest>) -> Result<Response<ExecResponse>, Status> {
        Ok(Response::new(self.start.clone()))
    }

    async fn attach(&self, _: Request<AttachRequest>) -> Result<Response<Self::AttachStream>, Status> {
        let script = self.script.lock().unwrap().take().ok_or_else(|| Status::not_found("said all"))?;
        Ok(Response::new(tokio_stream::iter(script)))
    }

    type RunStream = Self::AttachStream;

    async fn run(&self, _: Request<ExecRequest>) -> Result<Response<Self::RunStream>, Status> {
        let mut script = self.script.lock().unwrap().take().ok_or_else(|| Status::not_found("said all"))?;
        script.insert(0, Ok(ExecOutput { event: Some(Event::Started(self.start.clone())) }));
        Ok(Response::new(tokio_stream::iter(script)))
    }

    async fn send_input(&self, _: Request<Streaming<ExecStdin>>) -> Result<Response<SendInputAck>, Status> {
        Err(Status::internal("no input"))
    }

    async fn wait(&self, _: Request<WaitRequest>) -> Result<Response<WaitResponse>, Status> {
        Ok(Response::new(WaitResponse { exit: None }))
    }

    async fn kill(&self, _: Request<KillRequest>) -> Result<Response<KillResponse>, Status> {
        Err(Status::internal("\u{1b}[2Jboo".repeat(400)))
    }

    async fn resize_tty(&self, _: Request<ResizeTtyRequest>) -> Result<Response<ResizeTtyResponse>, Status> {
        Err(Status::unimplemented("no"))
    }

    async fn list(&self, _: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        Err(Status::unimplemented("no"))
    }
}

fn guest(script: Script, start: ExecResponse) -> Arc<Machine> {
    let (host, guest) = tokio::io::duplex(64 * 1024);
    let liar = Liar { script: Mutex::new(Some(script)), start };
    let server = Server::builder().add_service(ExecutionServer::new(liar));
    tokio::spawn(server.serve_with_incoming(tokio_stream::once(Ok::<_, std::io::Error>(guest))));
    machine(host)
}

#[allow(clippy::unnecessary_wraps, reason = "a script is made of results")]
fn stdout(offset: u64, data: &'static [u8]) -> Result<ExecOutput, Status> {
    Ok(ExecOutput { event: Some(Event::Stdout(Chunk { offset, data: Bytes::from_static(data) })) })
}

/// Pulls until something goes wrong; answers that, and the bytes before.
async fn fails(script: Script) -> (BoxliteError, Vec<u8>) {
    let machine = guest(script, ExecResponse { pid: 1, start_error: None });
    let execution = spawn(&machine, ExecOptions::new("x", [] as [&str; 0])).await.unwrap();
    let mut bytes = vec![];
    loop {
        match execution.recv(1 << 20).await {
            Ok(Some(events)) => {
                for event in events {
                    if let ExecEvent::Stdout(data) = event {
                        bytes.extend_from_slice(&data);
                    }
                }
            }
            Ok(None) => panic!("a quiet end"),
            Err(error) => return (error, bytes),
        }
    }
}

#[tokio::test]
async fn an_offset_that_jumps_is_refused() {
    let (error, bytes) = fails(vec![stdout(0, b"ab"), stdout(3, b"d")]).await;
    assert_eq!(error.code(), ErrorCode::Rpc);
    assert!(error.to_string().contains("offset 3 where 2 was due"), "{error}");
    assert_eq!(bytes, b"ab");
}

#[tokio::test]
async fn an_offset_that_repeats_is_refused() {
    let (error, _) = fails(vec![stdout(0, b"ab"), stdout(0, b"ab")]).await;
    assert_eq!(error.code(), ErrorCode::Rpc);
}

#[tokio::test]
async fn an_end_without_an_exit_is_no_quiet_end() {
    let (error, bytes) = fails(vec![stdout(0, b"ab")]).await;
    assert!(error.to_string().contains("without an exit"), "{error}");
    assert_eq!(bytes, b"ab");
}

#[tokio::test]
async fn an_event_without_content_is_refused() {
    let (error, _) = fails(vec![Ok(ExecOutput { event: None })]).await;
    assert_eq!(error.code(), ErrorCode::Rpc);
    let (error, _) = fails(vec![stdout(0, b"")]).await;
    assert_eq!(error.code(), ErrorCode::Rpc);
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused() {
    let huge = Event::Stdout(Chunk { offset: 0, data: vec![0; 2 << 20].into() });
    let (error, bytes) = fails(vec![Ok(ExecOutput { event: Some(huge) })]).await;
    assert_eq!(error.code(), ErrorCode::Rpc);
    assert!(bytes.is_empty());
}

#[tokio::test]
async fn nothing_is_read_after_the_exit() {
    let exit = ExecOutput { event: Some(Event::Exit(ExitMessage { code: 5, ..Default::default() })) };
    let machine = guest(vec![Ok(exit), stdout(0, b"late")], ExecResponse { pid: 1, start_error: None });
    let execution = spawn(&machine, ExecOptions::new("x", [] as [&str; 0])).await.unwrap();
    let events = execution.recv(1 << 20).await.unwrap().unwrap();
    assert!(matches!(events.as_slice(), [ExecEvent::Exit(exit)] if exit.code == Some(5)), "{events:?}");
    assert_eq!(execution.recv(1 << 20).await.unwrap(), None);
}

#[tokio::test]
async fn a_guest_s_text_is_cut_and_cleaned() {
    let machine = guest(vec![], ExecResponse { pid: 1, start_error: None });
    let execution = spawn(&machine, ExecOptions::new("x", [] as [&str; 0])).await.unwrap();
    let text = execution.kill(9).await.unwrap_err().to_string();
    assert!(text.len() < 1100 && !text.contains('\u{1b}'), "{text:?}");
    assert_eq!(execution.wait().await.unwrap_err().code(), ErrorCode::Rpc);
}

/// Says the same for ever, or after `silent_after` nothing more.
struct Endless {
    silent_after: usize,
}

impl Endless {
    fn events(&self) -> Response<Events> {
        let started = Event::Started(ExecResponse { pid: 1, start_error: None });
        let chunks = (0..).map(|i| stdout(i * 1000, &[b'x'; 1000]));
        let events = tokio_stream::iter(chunks.take(self.silent_after)).chain(tokio_stream::pending());
        Response::new(Box::pin(tokio_stream::once(Ok(ExecOutput { event: Some(started) })).chain(events)))
    }
}

#[tonic::async_trait]
impl Service for Endless {
    type AttachStream = Events;
    type RunStream = Self::AttachStream;

    async fn run(&self, _: Request<ExecRequest>) -> Result<Response<Self::RunStream>, Status> {
        Ok(self.events())
    }
    async fn exec(&self, _: Request<ExecRequest>) -> Result<Response<ExecResponse>, Status> {
        Err(Status::unimplemented("no"))
    }
    async fn attach(&self, _: Request<AttachRequest>) -> Result<Response<Self::AttachStream>, Status> {
        Err(Status::unimplemented("no"))
    }
    async fn send_input(&self, _: Request<Streaming<ExecStdin>>) -> Result<Response<SendInputAck>, Status> {
        Err(Status::unimplemented("no"))
    }
    async fn wait(&self, _: Request<WaitRequest>) -> Result<Response<WaitResponse>, Status> {
        Err(Status::unimplemented("no"))
    }
    async fn kill(&self, _: Request<KillRequest>) -> Result<Response<KillResponse>, Status> {
        Ok(Response::new(KillResponse { delivered: true }))
    }
    async fn resize_tty(&self, _: Request<ResizeTtyRequest>) -> Result<Response<ResizeTtyResponse>, Status> {
        Err(Status::unimplemented("no"))
    }
    async fn list(&self, _: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        Err(Status::unimplemented("no"))
    }
}

/// Why collecting its output fails.
async fn collected(execution: &Execution, max_buffer: usize) -> ExecFailure {
    let options = CollectOptions { max_buffer, ..CollectOptions::default() };
    collect(execution, &options, "x", 0, tokio_stream::empty(), pending()).await.unwrap_err()
}

async fn endless(silent_after: usize, timeout_ms: u64) -> Execution {
    let (host, guest) = tokio::io::duplex(64 * 1024);
    let server = Server::builder().add_service(ExecutionServer::new(Endless { silent_after }));
    tokio::spawn(server.serve_with_incoming(tokio_stream::once(Ok::<_, std::io::Error>(guest))));
    let mut options = ExecOptions::new("x", [] as [&str; 0]);
    options.timeout_ms = timeout_ms;
    spawn(&machine(host), options).await.unwrap()
}

#[tokio::test]
async fn output_without_an_end_is_cut_at_the_bound_though_the_kill_is_ignored() {
    let ExecFailure { error, collected } = collected(&endless(usize::MAX, 0).await, 10_500).await;
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (ErrorCode::ExecMaxBuffer, "command `x`: stdout exceeds 10500 bytes")
    );
    assert_eq!((collected.stdout.len(), collected.exit), (10_500, None));
}

#[tokio::test]
async fn an_execution_that_runs_on_past_its_timeout_is_given_up() {
    let execution = endless(3, 1).await;
    tokio::time::pause();
    let error = collected(&execution, usize::MAX).await.error;
    assert!(error.to_string().contains("it runs on past its timeout"), "{error}");
}

#[tokio::test]
async fn an_execution_that_writes_on_past_its_timeout_is_given_up() {
    let execution = endless(usize::MAX, 1).await;
    tokio::time::pause();
    let clock = tokio::spawn(async {
        loop {
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    });
    let error = collected(&execution, usize::MAX).await.error;
    clock.abort();
    // Which of the two is seen first is chance: it writes, and the time is over where it happens to have written nothing yet.
    assert!(error.to_string().contains("on past its timeout"), "{error}");
}

#[tokio::test]
async fn an_unknown_start_error_is_still_an_error() {
    let start_error = Some(StartError { kind: 99, message: "made up".into() });
    let machine = guest(vec![], ExecResponse { pid: 0, start_error });
    let error = spawn(&machine, ExecOptions::new("x", [] as [&str; 0])).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ExecFailed);
}
