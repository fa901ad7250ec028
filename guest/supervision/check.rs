//! One health check: a connection, or a command in the container that is not listed and leaves no process behind.
//!
//! Called by `health`; calls `execution`.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use boxlite_proto::v1::{ExecRequest, ExitStatus, health_check::Check};
use nix::libc::SIGKILL;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    Result,
    execution::{Attachment, Execution, Executions, Output, Purpose},
};

/// Most bytes of a check's output that are reported, from its end.
const OUTPUT: usize = 4096;

/// How long a check that was killed may take to exit before the next one.
const EXIT: Duration = Duration::from_secs(5);

/// The result of a check.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) healthy: bool,
    /// The end of its output, or why it could not be made.
    pub(super) output: String,
}

fn unhealthy(output: impl Into<String>) -> Outcome {
    Outcome { healthy: false, output: output.into() }
}

/// Checks once, in at most `limit`.
pub(super) async fn check(executions: &Executions, what: &Check, limit: Duration) -> Outcome {
    match what {
        Check::Command(command) => run(executions, &command.argv, limit).await,
        Check::TcpPort(port) => connect(*port, limit).await,
    }
}

/// The container has the agent's network, so this is the box's own loopback.
async fn connect(port: u32, limit: Duration) -> Outcome {
    let Ok(number) = u16::try_from(port) else { return unhealthy(format!("no such port: {port}")) };
    match timeout(limit, TcpStream::connect((Ipv4Addr::LOCALHOST, number))).await {
        Ok(Ok(_)) => Outcome { healthy: true, output: String::new() },
        Ok(Err(error)) => unhealthy(format!("connect to 127.0.0.1:{number}: {error}")),
        Err(_) => unhealthy(format!("connect to 127.0.0.1:{number}: no answer in {limit:?}")),
    }
}

async fn run(executions: &Executions, argv: &[String], limit: Duration) -> Outcome {
    let mut argv = argv.iter().cloned();
    let request = ExecRequest {
        execution_id: "check".to_owned(),
        command: argv.next().unwrap_or_default(),
        args: argv.collect(),
        ..Default::default()
    };
    let execution = match executions.run(request, Purpose::Check).await {
        Ok(Ok(execution)) => execution,
        Ok(Err(error)) => return unhealthy(error.message),
        Err(error) => return unhealthy(error.chain()),
    };
    let mut output = Vec::new();
    let ended = timeout(limit, read(&execution, &mut output)).await;
    let text = || String::from_utf8_lossy(&output).trim_end().to_owned();
    match ended {
        Ok(Ok(ExitStatus { code: 0, signal: 0, .. })) => Outcome { healthy: true, output: text() },
        Ok(Ok(ExitStatus { code, signal: 0, .. })) if output.is_empty() => {
            unhealthy(format!("it ended with exit code {code}"))
        }
        Ok(Ok(ExitStatus { signal: 1.., .. })) if output.is_empty() => unhealthy("it was killed"),
        Ok(Ok(_)) => unhealthy(text()),
        Ok(Err(error)) => unhealthy(error.chain()),
        Err(_) => {
            // The zygote kills every other process of the check with its first.
            let _ = execution.signal(SIGKILL, true).await;
            let _ = timeout(EXIT, execution.wait()).await;
            unhealthy(format!("{}\nit took longer than {limit:?}", text()).trim_start())
        }
    }
}

/// Reads the check to its end, and keeps the end of its output in `output`.
async fn read(execution: &Arc<Execution>, output: &mut Vec<u8>) -> Result<ExitStatus> {
    let mut attachment = Attachment::new(Arc::clone(execution), [Some(0); 2]).await?;
    loop {
        match attachment.next().await? {
            Output::Stdout(_, bytes) | Output::Stderr(_, bytes) => {
                output.extend_from_slice(&bytes);
                let excess = output.len().saturating_sub(OUTPUT);
                output.drain(..excess);
            }
            Output::Exit(exit) => return Ok(exit),
        }
    }
}
