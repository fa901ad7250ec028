//! The Execution service: processes of the container and their streams.
//!
//! Called by the host over gRPC; calls `execution`.

use boxlite_proto::v1::{
    AttachRequest, Chunk, ExecOutput, ExecRequest, ExecResponse, ExecStdin, KillRequest, KillResponse,
    ListRequest, ListResponse, ResizeTtyRequest, ResizeTtyResponse, SendInputAck, WaitRequest, WaitResponse,
    exec_output::Event, execution_server::Execution,
};
use boxlite_wire::limits;
use futures::{StreamExt as _, stream};
use tokio::time::timeout;
use tonic::{Request, Response, Status, Streaming};

use super::{Answer, Answers};
use crate::{
    Error, Kind, Result,
    execution::{Attachment, Executions, Output, Purpose},
};

/// Highest signal number of Linux (`_NSIG`).
const LAST_SIGNAL: i32 = 64;

#[derive(Clone)]
pub(super) struct ExecutionService(pub(super) Executions);

#[tonic::async_trait]
impl Execution for ExecutionService {
    async fn exec(&self, request: Request<ExecRequest>) -> Answer<ExecResponse> {
        let started = self.0.run(request.into_inner(), Purpose::Requested).await?;
        Ok(Response::new(match started {
            Ok(execution) => ExecResponse { pid: execution.pid(), start_error: None },
            Err(error) => ExecResponse { pid: 0, start_error: Some(error) },
        }))
    }

    type AttachStream = Answers<ExecOutput>;

    async fn attach(&self, request: Request<AttachRequest>) -> Answer<Self::AttachStream> {
        let AttachRequest { execution_id, stdout_offset, stderr_offset } = request.into_inner();
        let execution = self.0.find(&execution_id).await?;
        let attachment = Attachment::new(execution, [stdout_offset, stderr_offset]).await?;
        Ok(Response::new(Box::pin(stream::unfold(Some(attachment), next_event))))
    }

    type RunStream = Self::AttachStream;

    async fn run(&self, request: Request<ExecRequest>) -> Answer<Self::RunStream> {
        let request = request.into_inner();
        let deferred = request.defer_started;
        let started = |started| ExecOutput { event: Some(Event::Started(started)) };
        let (pid, attachment) = match self.0.run_attached(request).await? {
            Ok(attached) => attached,
            Err(error) => {
                let only = started(ExecResponse { pid: 0, start_error: Some(error) });
                return Ok(Response::new(Box::pin(stream::iter([Ok(only)]))));
            }
        };
        let mut first = vec![Ok(started(ExecResponse { pid, start_error: None }))];
        let mut rest = Some(attachment);
        if deferred && let Some(mut attachment) = rest.take() {
            match timeout(limits::START_DEFERRAL, attachment.next()).await {
                Ok(next) => {
                    let (event, more) = message(next, attachment);
                    first.push(event);
                    rest = more;
                }
                Err(_) => rest = Some(attachment),
            }
        }
        Ok(Response::new(Box::pin(stream::iter(first).chain(stream::unfold(rest, next_event)))))
    }

    async fn send_input(&self, request: Request<Streaming<ExecStdin>>) -> Answer<SendInputAck> {
        let mut messages = request.into_inner();
        let mut accepted = 0;
        let Some(first) = messages.message().await? else {
            return Ok(Response::new(SendInputAck { accepted }));
        };
        check_stream_name(&first.stream)?;
        let execution = self.0.find(&first.execution_id).await?;
        let mut writer = execution.write_stdin(&first.stream, first.offset).await?;
        let mut message = Some(first);
        while let Some(ExecStdin { data, eof, .. }) = message {
            accepted += writer.write(&data).await? as u64;
            if eof {
                writer.finish().await?;
                break;
            }
            message = messages.message().await?;
        }
        Ok(Response::new(SendInputAck { accepted }))
    }

    async fn wait(&self, request: Request<WaitRequest>) -> Answer<WaitResponse> {
        let execution = self.0.find(&request.get_ref().execution_id).await?;
        let exit = execution.wait().await?;
        Ok(Response::new(WaitResponse { exit: Some(exit) }))
    }

    async fn kill(&self, request: Request<KillRequest>) -> Answer<KillResponse> {
        let KillRequest { execution_id, signal, all } = request.into_inner();
        if !(0..=LAST_SIGNAL).contains(&signal) {
            return Err(
                Error::new(Kind::Invalid, format!("kill {execution_id}: no such signal: {signal}")).into()
            );
        }
        let execution = self.0.find(&execution_id).await?;
        let delivered = execution.signal(signal, all).await?;
        Ok(Response::new(KillResponse { delivered }))
    }

    async fn resize_tty(&self, request: Request<ResizeTtyRequest>) -> Answer<ResizeTtyResponse> {
        let ResizeTtyRequest { execution_id, size } = request.into_inner();
        let execution = self.0.find(&execution_id).await?;
        execution.resize(size.unwrap_or_default()).await?;
        Ok(Response::new(ResizeTtyResponse {}))
    }

    async fn list(&self, request: Request<ListRequest>) -> Answer<ListResponse> {
        let ListRequest { execution_id } = request.into_inner();
        let executions = match execution_id.as_str() {
            "" => self.0.list(),
            id => self.0.known(id).into_iter().collect(),
        };
        Ok(Response::new(ListResponse { executions }))
    }
}

fn check_stream_name(name: &str) -> Result<()> {
    if name.len() <= limits::EXECUTION_ID {
        return Ok(());
    }
    Err(Error::new(
        Kind::Invalid,
        format!("input stream: a name of {} bytes, {} at most", name.len(), limits::EXECUTION_ID),
    ))
}

/// One step of the stream.
async fn next_event(
    attachment: Option<Attachment>,
) -> Option<(Result<ExecOutput, Status>, Option<Attachment>)> {
    let mut attachment = attachment?;
    let next = attachment.next().await;
    Some(message(next, attachment))
}

/// The message to the host, and the attachment if more follows. Nothing follows the exit or an error.
fn message(next: Result<Output>, attachment: Attachment) -> (Result<ExecOutput, Status>, Option<Attachment>) {
    let (event, rest) = match next {
        Ok(Output::Stdout(offset, data)) => (Event::Stdout(Chunk { offset, data }), Some(attachment)),
        Ok(Output::Stderr(offset, data)) => (Event::Stderr(Chunk { offset, data }), Some(attachment)),
        Ok(Output::Exit(exit)) => (Event::Exit(exit), None),
        Err(error) => return (Err(error.into()), None),
    };
    (Ok(ExecOutput { event: Some(event) }), rest)
}
