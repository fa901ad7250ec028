//! The agent's own services at the other end, with a real zygote that executes on this machine.

use std::{future::pending, sync::Arc, time::Duration};

use boxlite_error::ErrorCode;
use boxlite_guest::{
    services::{AgentStart, Server, Services},
    supervision::HostStreams,
    zygote::{self, Zygote},
};
use boxlite_portal::{ExecEvent, ExecOptions, ExitStatus};
use boxlite_proto::v1::Supervision;
use bytes::Bytes;
use tokio::sync::watch;

use crate::{
    duplex::{machine, spawn},
    litebox::{
        executions::{
            collect::{self, CollectOptions, Collected, ExecFailure},
            execution::Execution,
        },
        lifecycle::machine::Machine,
    },
};

pub(super) async fn guest() -> Arc<Machine> {
    begun(None).await
}

/// A guest with something to look after, and no host for its journal.
pub(super) async fn supervised(orders: Supervision) -> Arc<Machine> {
    begun(Some(orders)).await
}

async fn begun(orders: Option<Supervision>) -> Arc<Machine> {
    let server = server(orders).await;
    let (host, guest) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move { server.serve(guest).await });
    machine(host)
}

/// The agent's services, to any number of connections.
pub(super) async fn server(orders: Option<Supervision>) -> Server {
    let zygote = Zygote::new(zygote::launch().unwrap()).unwrap();
    zygote.uncontained().await.unwrap();
    let (end, ended) = watch::channel(false);
    let (streams, _) = HostStreams::new();
    let services = Services::uncontained(&zygote, AgentStart::now(), streams, end, orders).await.unwrap().0;
    Server::new(services, ended)
}

pub(super) fn shell(line: &str) -> ExecOptions {
    ExecOptions::new("/bin/sh", ["-c", line])
}

/// Everything that an execution writes, and its end.
pub(super) async fn collect(execution: &Execution) -> (Vec<u8>, Vec<u8>, ExitStatus) {
    let (mut stdout, mut stderr, mut exit) = (vec![], vec![], None);
    while let Some(events) = execution.recv(64 * 1024).await.unwrap() {
        for event in events {
            assert_eq!(exit, None, "an event after the exit");
            match event {
                ExecEvent::Stdout(data) => stdout.extend_from_slice(&data),
                ExecEvent::Stderr(data) => stderr.extend_from_slice(&data),
                ExecEvent::Exit(status) => exit = Some(status),
            }
        }
    }
    (stdout, stderr, exit.expect("an exit"))
}

#[tokio::test]
async fn streams_are_apart_and_the_code_is_exact() {
    let machine = guest().await;
    let execution = spawn(&machine, shell("echo out; echo err >&2; exit 37")).await.unwrap();
    let (stdout, stderr, exit) = collect(&execution).await;
    assert_eq!((stdout.as_slice(), stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!((exit.code, exit.signal), (Some(37), None));
    assert_eq!(execution.wait().await.unwrap(), exit);
}

#[tokio::test]
async fn a_large_output_arrives_whole() {
    let machine = guest().await;
    let execution = spawn(&machine, shell("head -c 5000000 /dev/zero | tr '\\0' x")).await.unwrap();
    let (stdout, _, exit) = collect(&execution).await;
    assert_eq!(stdout.len(), 5_000_000);
    assert!(stdout.iter().all(|&byte| byte == b'x'));
    assert_eq!(exit.code, Some(0));
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_writer() {
    let machine = guest().await;
    let execution = spawn(&machine, shell("yes")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(execution.kill(9).await.unwrap());
    let (stdout, _, exit) = collect(&execution).await;
    // A window of HTTP/2, the pipe, and what was on its way between them: `yes` writes gigabytes in that time.
    assert!(stdout.len() < 2 << 20, "{} bytes", stdout.len());
    assert_eq!((exit.code, exit.signal), (None, Some(9)));
}

#[tokio::test]
async fn stdin_goes_in_and_ends() {
    let machine = guest().await;
    let mut options = ExecOptions::new("/bin/cat", [] as [&str; 0]);
    options.stdin = true;
    let execution = spawn(&machine, options).await.unwrap();
    let sent: Bytes = (0..1_000_000u32).map(|i| (i % 251) as u8).collect::<Vec<_>>().into();
    let writer = execution.clone();
    let data = sent.clone();
    let feed = tokio::spawn(async move {
        writer.write(data).await.unwrap();
        writer.close_stdin().await.unwrap();
    });
    let (stdout, _, exit) = collect(&execution).await;
    feed.await.unwrap();
    assert!(stdout == sent, "{} of {} bytes", stdout.len(), sent.len());
    assert_eq!(exit.code, Some(0));
}

#[tokio::test]
async fn a_process_that_does_not_read_costs_its_writer_nothing() {
    let machine = guest().await;
    let mut options = shell("exec <&-; exit 0");
    options.stdin = true;
    let execution = spawn(&machine, options).await.unwrap();
    let (_, _, exit) = collect(&execution).await;
    assert_eq!(exit.code, Some(0));
    for _ in 0..50 {
        execution.write(vec![0; 65536].into()).await.unwrap();
    }
    execution.close_stdin().await.unwrap();
}

#[tokio::test]
async fn what_can_not_start_says_why() {
    let machine = guest().await;
    for (options, code) in [
        (ExecOptions::new("no-such-command", [] as [&str; 0]), ErrorCode::CommandNotFound),
        (ExecOptions::new("/etc/passwd", [] as [&str; 0]), ErrorCode::CommandNotExecutable),
        (ExecOptions { cwd: Some("/no/such/dir".into()), ..shell("true") }, ErrorCode::ExecCwd),
        (ExecOptions { user: Some("nobody-at-all".into()), ..shell("true") }, ErrorCode::ExecUser),
    ] {
        let error = spawn(&machine, options.clone()).await.unwrap_err();
        assert_eq!(error.code(), code, "{options:?}: {error}");
    }
}

#[tokio::test]
async fn a_timeout_is_told_apart() {
    let machine = guest().await;
    let execution = spawn(&machine, ExecOptions { timeout_ms: 100, ..shell("sleep 60") }).await.unwrap();
    let exit = execution.wait().await.unwrap();
    assert!(exit.timed_out, "{exit:?}");
    assert_eq!(exit.signal, Some(15));
}

#[tokio::test]
async fn a_thousand_executions_in_a_row_all_end() {
    let machine = guest().await;
    for number in 0..1000 {
        let options = ExecOptions::new("/bin/true", [] as [&str; 0]);
        let execution = spawn(&machine, options).await.unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_eq!(collect(&execution).await.2.code, Some(0));
    }
    assert!(machine.session.execution().list().await.unwrap().is_empty());
}

#[tokio::test]
async fn two_hundred_at_once_keep_apart() {
    let machine = guest().await;
    let all = (0..200).map(|number| {
        let machine = Arc::clone(&machine);
        async move {
            let execution =
                spawn(&machine, shell(&format!("echo {number}; exit {}", number % 256))).await.unwrap();
            let (stdout, _, exit) = collect(&execution).await;
            assert_eq!(stdout, format!("{number}\n").into_bytes());
            assert_eq!(exit.code, Some(number % 256));
        }
    });
    futures::future::join_all(all).await;
}

#[tokio::test]
async fn a_child_that_keeps_the_pipe_open_delays_nothing_and_loses_nothing() {
    let machine = guest().await;
    let line = "(sleep 60) & head -c 300000 /dev/zero; echo $!";
    let execution = spawn(&machine, shell(line)).await.unwrap();
    let started = std::time::Instant::now();
    let (stdout, _, exit) = collect(&execution).await;
    assert!(stdout.len() > 300_000 && exit.code == Some(0), "{} bytes", stdout.len());
    assert!(started.elapsed() < Duration::from_secs(30));
    let pid = String::from_utf8_lossy(&stdout[300_000..]).trim().to_owned();
    let kill = spawn(&machine, shell(&format!("kill {pid}"))).await.unwrap();
    collect(&kill).await;
}

/// Collects as `LiteBox::exec_with` does.
async fn collect_with(
    execution: &Execution,
    options: &CollectOptions,
    stdin: Vec<&'static str>,
    cancel: impl Future<Output = ()>,
) -> Result<Collected, ExecFailure> {
    let stdin = tokio_stream::iter(stdin.into_iter().map(Bytes::from));
    let collecting = collect::collect(execution, options, "x", 0, stdin, cancel);
    tokio::time::timeout(Duration::from_secs(30), collecting).await.expect("it resolves")
}

#[tokio::test]
async fn collecting_feeds_the_input_and_ends_it() {
    let machine = guest().await;
    let options = ExecOptions { stdin: true, ..shell("cat; echo e >&2; exit 3") };
    let execution = spawn(&machine, options).await.unwrap();
    let check = CollectOptions { check: true, ..CollectOptions::default() };
    let failure = collect_with(&execution, &check, vec!["a", "b\n"], pending()).await.unwrap_err();
    assert_eq!(failure.error.code(), ErrorCode::ExecNonZero);
    assert_eq!(failure.to_string(), "command `x`: exited with code 3: e");
    let Collected { stdout, stderr, exit } = failure.collected;
    assert_eq!((stdout, stderr, exit.unwrap().code), (b"ab\n".to_vec(), b"e\n".to_vec(), Some(3)));
}

#[tokio::test]
async fn input_that_a_command_does_not_read_does_not_keep_it() {
    let machine = guest().await;
    let options = ExecOptions { stdin: true, ..shell("exec <&-; echo done") };
    let execution = spawn(&machine, options).await.unwrap();
    let endless = tokio_stream::iter(std::iter::repeat(Bytes::from_static(&[0; 1000])));
    let collected =
        collect::collect(&execution, &CollectOptions::default(), "x", 0, endless, pending()).await.unwrap();
    assert_eq!(collected.stdout, b"done\n");
}

#[tokio::test]
async fn cancelling_keeps_the_output_so_far_and_kills() {
    let machine = guest().await;
    let execution = spawn(&machine, shell("echo so far; sleep 60 & sleep 60")).await.unwrap();
    let cancel = tokio::time::sleep(Duration::from_millis(500));
    let failure = collect_with(&execution, &CollectOptions::default(), vec![], cancel).await.unwrap_err();
    assert_eq!((failure.error.code(), failure.collected.stdout), (ErrorCode::Aborted, b"so far\n".to_vec()));
    let exit =
        tokio::time::timeout(Duration::from_secs(30), execution.wait()).await.expect("it ends").unwrap();
    assert_eq!(exit.signal, Some(9));
}
