//! The Execution service as the host sees it, over `tokio::io::duplex`, with a real zygote that runs executions on this
//! machine instead of in a container.
//!
//! What a container adds (namespaces, mounts, users) is tested in a box. Here: streams, exits, order and bounds.

use std::time::{Duration, Instant};

use boxlite_guest::{
    services::{AgentStart, Server, Services},
    supervision::JournalLine,
    zygote::{self, Zygote},
};
use boxlite_proto::{
    limits,
    v1::{
        AttachRequest, ExecOutput, ExecRequest, ExecResponse, ExecStdin, ExitStatus, KillRequest,
        ListRequest, TtySize, WaitRequest, exec_output::Event, execution_client::ExecutionClient,
        start_error::Kind,
    },
};
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use nix::libc;
use tokio::sync::watch;
use tonic::{
    Code, Status, Streaming,
    transport::{Channel, Endpoint},
};

/// A connection to services of its own. The zygote ends with the test: its socket closes.
struct Bench {
    client: ExecutionClient<Channel>,
    server: Server,
    _ended: watch::Sender<bool>,
}

impl Bench {
    async fn new() -> Self {
        // Forked from a test harness that has threads: glibc's allocator survives that, and the zygote's loop needs
        // nothing else. The real one is forked before any thread exists.
        let zygote = Zygote::new(zygote::launch().expect("fork the zygote")).expect("take up the line");
        zygote.uncontained().await.expect("serve on this machine");
        let (ended, watched) = watch::channel(false);
        let (line, _) = JournalLine::new();
        let services = Services::uncontained(&zygote, AgentStart::now(), line, ended.clone(), None);
        let services = services.await.expect("nothing to begin").0;
        let server = Server::new(services, watched);
        let client = connect(&server).await;
        Self { client, server, _ended: ended }
    }

    async fn exec(&self, request: ExecRequest) -> Result<ExecResponse, Status> {
        Ok(self.client.clone().exec(request).await?.into_inner())
    }

    async fn attach(&self, id: &str, offsets: [u64; 2]) -> Result<Streaming<ExecOutput>, Status> {
        let [stdout_offset, stderr_offset] = offsets;
        let request = AttachRequest { execution_id: id.into(), stdout_offset, stderr_offset, oldest: false };
        Ok(self.client.clone().attach(request).await?.into_inner())
    }

    /// As the portal starts most executions.
    async fn run(&self, request: ExecRequest) -> Outcome {
        let mut events = self.client.clone().run(request).await.expect("run").into_inner();
        let first = events.message().await.expect("stream").and_then(|first| first.event);
        assert!(
            matches!(first, Some(Event::Started(ExecResponse { start_error: None, .. }))),
            "first: {first:?}"
        );
        read_all(events, [0, 0]).await
    }
}

async fn connect(server: &Server) -> ExecutionClient<Channel> {
    let server = server.clone();
    let channel = Endpoint::from_static("http://box")
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
        .expect("connect");
    ExecutionClient::new(channel)
}

#[derive(Debug, Default)]
struct Outcome {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    exit: ExitStatus,
}

/// Reads to the end; checks that offsets are contiguous and that the exit comes last.
async fn read_all(mut stream: Streaming<ExecOutput>, from: [u64; 2]) -> Outcome {
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
fn shell(id: &str, script: &str) -> ExecRequest {
    ExecRequest {
        execution_id: id.into(),
        command: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        user: format!("{}:{}", nix::unistd::getuid(), nix::unistd::getgid()),
        ..ExecRequest::default()
    }
}

fn code(code: i32) -> ExitStatus {
    ExitStatus { code, ..ExitStatus::default() }
}

#[tokio::test]
async fn streams_are_separate_and_the_exit_code_is_exact() {
    let outcome = Bench::new().await.run(shell("a", "echo out; echo err >&2; exit 7")).await;
    assert_eq!((outcome.stdout.as_slice(), outcome.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!(outcome.exit, code(7));
}

#[tokio::test]
async fn a_signal_is_not_an_exit_code() {
    let outcome = Bench::new().await.run(shell("a", "kill -TERM $$")).await;
    assert_eq!(outcome.exit, ExitStatus { signal: 15, ..ExitStatus::default() });
    let outcome = Bench::new().await.run(shell("a", "kill -40 $$")).await;
    assert_eq!(outcome.exit.signal, 40, "a real-time signal");
}

#[tokio::test]
async fn large_output_arrives_byte_for_byte() {
    let outcome = Bench::new().await.run(shell("a", "seq 1 2000000")).await;
    let expected: String = (1..=2_000_000).flat_map(|line: u32| [line.to_string(), "\n".into()]).collect();
    assert!(outcome.stdout == expected.as_bytes(), "{} bytes of {}", outcome.stdout.len(), expected.len());
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_writer() {
    let bench = Bench::new().await;
    let marks = tempfile::tempdir().expect("tempdir");
    let count = marks.path().join("count");
    // Each line of progress is 64 KiB of output further.
    let script =
        format!("for i in $(seq 200); do head -c 65536 /dev/zero; echo $i > {}; done", count.display());
    let request = shell("a", &script);
    let (started, stream) = tokio::join!(bench.exec(request), bench.attach("a", [0, 0]));
    started.expect("exec");
    let stream = stream.expect("attach");
    let progress = || std::fs::read_to_string(&count).unwrap_or_default().trim().parse::<u32>().unwrap_or(0);
    // Stands still: twice the same after it had time to run away.
    let mut before = u32::MAX;
    let deadline = Instant::now() + Duration::from_secs(20);
    while progress() != before || before == 0 {
        assert!(Instant::now() < deadline, "the writer never stopped");
        before = progress();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(before < 40, "window, buffers and pipe hold far less than {before} chunks");
    let outcome = read_all(stream, [0, 0]).await;
    assert_eq!(outcome.stdout.len(), 200 * 65536);
}

#[tokio::test]
async fn attach_resumes_at_an_offset_and_ends_the_earlier_reader() {
    let bench = Bench::new().await;
    let mut request = shell("a", "echo one; read line; echo two $line");
    request.stdin = true;
    bench.exec(request).await.expect("exec");
    let mut first = bench.attach("a", [0, 0]).await.expect("attach");
    let Some(Event::Stdout(chunk)) = first.message().await.expect("message").expect("some").event else {
        panic!("stdout first")
    };
    assert_eq!(chunk.data, "one\n");
    let second = bench.attach("a", [2, 0]).await.expect("attach again");
    assert_eq!(first.message().await.expect_err("superseded").code(), Code::Aborted);
    let input = ExecStdin { execution_id: "a".into(), data: Bytes::from_static(b"x\n"), eof: false };
    let ack = bench.client.clone().send_input(tokio_stream::iter([input])).await.expect("input").into_inner();
    assert_eq!(ack.accepted, 2);
    assert_eq!(read_all(second, [2, 0]).await.stdout, b"e\ntwo x\n");
    // And once more after the end, from the start.
    assert_eq!(
        read_all(bench.attach("a", [0, 0]).await.expect("attach"), [0, 0]).await.stdout,
        b"one\ntwo x\n"
    );
    let beyond = bench.attach("a", [99, 0]).await.expect_err("beyond the end");
    assert_eq!(beyond.code(), Code::OutOfRange);
}

#[tokio::test]
async fn output_that_is_gone_is_out_of_range() {
    let bench = Bench::new().await;
    bench.run(shell("a", "head -c 3000000 /dev/zero")).await;
    let mut stream = bench.attach("a", [0, 0]).await.expect("attach");
    assert_eq!(stream.message().await.expect_err("too old").code(), Code::OutOfRange);
    let late = 3_000_000 - limits::REPLAY as u64;
    let outcome = read_all(bench.attach("a", [late, 0]).await.expect("attach"), [late, 0]).await;
    assert_eq!(outcome.stdout.len(), limits::REPLAY);
}

#[tokio::test]
async fn output_waits_for_its_reader_past_the_exit() {
    let bench = Bench::new().await;
    bench.exec(shell("a", "echo waiting; exit 3")).await.expect("exec");
    let exit =
        bench.client.clone().wait(WaitRequest { execution_id: "a".into() }).await.expect("wait").into_inner();
    assert_eq!(exit.exit, Some(code(3)));
    let outcome = read_all(bench.attach("a", [0, 0]).await.expect("attach"), [0, 0]).await;
    assert_eq!((outcome.stdout.as_slice(), outcome.exit), (&b"waiting\n"[..], code(3)));
}

#[tokio::test]
async fn a_child_in_the_background_delays_nothing_and_loses_nothing() {
    let begun = Instant::now();
    let outcome = Bench::new().await.run(shell("a", "sleep 30 & head -c 50000 /dev/zero; exit 4")).await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!((outcome.stdout.len(), outcome.exit), (50_000, code(4)));
}

#[tokio::test]
async fn input_reaches_the_process_and_its_end_too() {
    let bench = Bench::new().await;
    let mut request = shell("a", "cat");
    request.stdin = true;
    let data: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
    let mut messages: Vec<_> = data
        .chunks(limits::CHUNK)
        .map(|chunk| ExecStdin { execution_id: "a".into(), data: Bytes::copy_from_slice(chunk), eof: false })
        .collect();
    messages.push(ExecStdin { execution_id: String::new(), data: Bytes::new(), eof: true });
    let mut client = bench.client.clone();
    let (outcome, ack) = tokio::join!(bench.run(request), client.send_input(tokio_stream::iter(messages)));
    assert_eq!(ack.expect("input").into_inner().accepted, 1_000_000);
    assert!(outcome.stdout == data);
}

#[tokio::test]
async fn input_to_one_who_does_not_read_is_no_error() {
    let bench = Bench::new().await;
    let mut request = shell("a", "exec <&-; sleep 0.2");
    request.stdin = true;
    let data = Bytes::from(vec![0; 60_000]);
    let messages: Vec<_> =
        (0..20).map(|_| ExecStdin { execution_id: "a".into(), data: data.clone(), eof: false }).collect();
    let mut client = bench.client.clone();
    let (outcome, ack) = tokio::join!(bench.run(request), client.send_input(tokio_stream::iter(messages)));
    assert!(ack.expect("input").into_inner().accepted < 20 * 60_000);
    assert_eq!(outcome.exit, code(0));
}

#[tokio::test]
async fn a_start_that_fails_says_how() {
    let bench = Bench::new().await;
    let cases = [
        ("no-such-command", "/", Kind::CommandNotFound),
        ("/no/such/file", "/", Kind::CommandNotFound),
        ("/etc", "/", Kind::PermissionDenied),
        ("", "/", Kind::Invalid),
        ("true", "/no/such/directory", Kind::NoSuchDirectory),
        ("true", "/etc/passwd", Kind::NoSuchDirectory),
    ];
    for (index, (command, cwd, kind)) in cases.into_iter().enumerate() {
        let id = format!("e{index}");
        let request =
            ExecRequest { command: command.into(), cwd: cwd.into(), args: vec![], ..shell(&id, "unused") };
        let response = bench.exec(request).await.expect("no RPC failure");
        let error = response.start_error.expect("a start error");
        assert_eq!((response.pid, error.kind()), (0, kind), "{command:?} in {cwd:?}: {}", error.message);
        let attached = bench.attach(&id, [0, 0]).await.expect_err("there is nothing to attach to");
        assert_eq!(attached.code(), Code::FailedPrecondition);
    }
    let ghost = ExecRequest { user: "no-such-user".into(), ..shell("ghost", "true") };
    assert_eq!(bench.exec(ghost).await.expect("answer").start_error.expect("error").kind(), Kind::NoSuchUser);
}

#[tokio::test]
async fn an_environment_too_long_is_refused_by_the_kernel_and_explained() {
    let mut request = shell("a", "true");
    request.env = vec![format!("LONG={}", "x".repeat(200_000))];
    let response = Bench::new().await.exec(request).await.expect("answer");
    let error = response.start_error.expect("a start error");
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.message.contains("too long"), "{}", error.message);
}

#[tokio::test]
async fn ids_are_checked_unique_and_waited_for() {
    let bench = Bench::new().await;
    assert_eq!(bench.exec(shell("a b", "true")).await.expect_err("bad id").code(), Code::InvalidArgument);
    // Attach first: it waits for its Exec.
    let attach = tokio::spawn({
        let mut client = bench.client.clone();
        async move {
            client.attach(AttachRequest { execution_id: "late".into(), ..AttachRequest::default() }).await
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    bench.exec(shell("late", "echo here")).await.expect("exec");
    let stream = attach.await.expect("task").expect("attach").into_inner();
    assert_eq!(read_all(stream, [0, 0]).await.stdout, b"here\n");
    assert_eq!(bench.exec(shell("late", "true")).await.expect_err("twice").code(), Code::AlreadyExists);
}

#[tokio::test]
async fn kill_signals_the_whole_group_and_knows_the_dead() {
    let bench = Bench::new().await;
    let begun = Instant::now();
    bench.exec(shell("a", "sleep 60; echo never")).await.expect("exec");
    let kill = KillRequest { execution_id: "a".into(), signal: 15, all: false };
    let first = bench.client.clone().kill(kill.clone()).await.expect("kill").into_inner();
    let outcome = read_all(bench.attach("a", [0, 0]).await.expect("attach"), [0, 0]).await;
    let second = bench.client.clone().kill(kill).await.expect("kill").into_inner();
    assert_eq!((first.delivered, second.delivered, outcome.exit.signal), (true, false, 15));
    assert!(begun.elapsed() < Duration::from_secs(30));
    let bad = KillRequest { execution_id: "a".into(), signal: 99, all: false };
    assert_eq!(bench.client.clone().kill(bad).await.expect_err("no signal").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_timeout_ends_even_the_stubborn() {
    let bench = Bench::new().await;
    let mut meek = shell("meek", "sleep 60");
    meek.timeout_ms = 100;
    let mut stubborn = shell("stubborn", "trap '' TERM; while :; do sleep 0.1; done");
    stubborn.timeout_ms = 100;
    let (meek, stubborn) = tokio::join!(bench.run(meek), bench.run(stubborn));
    assert_eq!(meek.exit, ExitStatus { signal: 15, timed_out: true, ..ExitStatus::default() });
    assert_eq!(stubborn.exit, ExitStatus { signal: 9, timed_out: true, ..ExitStatus::default() });
}

#[tokio::test]
async fn a_terminal_is_one_with_a_size() {
    let mut request = shell("a", "test -t 0 && test -t 1 && stty size && echo $TERM");
    request.tty = Some(TtySize { cols: 81, rows: 25 });
    let outcome = Bench::new().await.run(request).await;
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), "25 81\r\nxterm\r\n");
    assert_eq!(outcome.exit, code(0));
}

#[tokio::test]
async fn processes_start_with_default_signals_and_no_stray_descriptors() {
    let script = "sed -n 's/^Sig\\(Blk\\|Ign\\)://p' /proc/self/status; ls /proc/self/fd";
    let outcome = Bench::new().await.run(shell("a", script)).await;
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let mut lines = text.lines();
    let mut mask = || u64::from_str_radix(lines.next().expect("a mask").trim(), 16).expect("hexadecimal");
    assert_eq!(mask(), 0, "no signal is blocked");
    let agents_own = 1 << (libc::SIGPIPE - 1) | 1 << (libc::SIGCHLD - 1);
    assert_eq!(mask() & agents_own, 0, "what the agent ignores is its own affair");
    // 0, 1, 2, and the directory that ls itself reads.
    assert_eq!(lines.collect::<Vec<_>>(), ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn many_at_once_and_no_zombies() {
    let bench = Bench::new().await;
    let runs = (0..40).map(|index| {
        let bench = &bench;
        async move {
            (index, bench.run(shell(&format!("e{index}"), &format!("echo {index}; exit {index}"))).await)
        }
    });
    for (index, outcome) in futures::future::join_all(runs).await {
        assert_eq!(outcome.exit, code(index));
        assert_eq!(String::from_utf8_lossy(&outcome.stdout).trim(), index.to_string());
    }
    let zygote =
        bench.run(shell("ppid", "ps -o stat= --ppid $PPID || cat /proc/$PPID/task/*/children")).await;
    assert!(!String::from_utf8_lossy(&zygote.stdout).contains('Z'), "{zygote:?}");
}

#[tokio::test]
async fn a_second_connection_sees_the_same_executions() {
    let bench = Bench::new().await;
    bench.exec(shell("a", "exit 5")).await.expect("exec");
    let mut other = connect(&bench.server).await;
    let exit = other.wait(WaitRequest { execution_id: "a".into() }).await.expect("wait").into_inner().exit;
    assert_eq!(exit, Some(code(5)));
}

#[tokio::test]
async fn a_held_start_comes_with_what_follows_it() {
    let bench = Bench::new().await;
    let outcome = bench.run(ExecRequest { hold_start: true, ..shell("a", "echo out; exit 3") }).await;
    assert_eq!((outcome.stdout.as_slice(), outcome.exit.code), (&b"out\n"[..], 3));
    // One that says nothing is told all the same, and long before its end.
    let request = ExecRequest { hold_start: true, ..shell("b", "exec sleep 60") };
    let began = Instant::now();
    let mut events = bench.client.clone().run(request).await.expect("run").into_inner();
    let first = events.message().await.expect("stream").expect("an event");
    assert!(matches!(first.event, Some(Event::Started(_))), "{first:?}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let kill = KillRequest { execution_id: "b".into(), signal: libc::SIGKILL, all: true };
    assert!(bench.client.clone().kill(kill).await.expect("kill").into_inner().delivered);
}

#[tokio::test]
async fn one_that_has_ended_is_found_with_its_output_and_its_exit() {
    let bench = Bench::new().await;
    let known = async |id: &str| {
        let request = ListRequest { execution_id: id.into() };
        bench.client.clone().list(request).await.expect("list").into_inner().executions
    };
    assert!(known("a").await.is_empty());
    let request = ExecRequest { detached: true, ..shell("a", "echo said; exit 7") };
    let pid = bench.exec(request).await.expect("exec").pid;
    let wait = WaitRequest { execution_id: "a".into() };
    bench.client.clone().wait(wait).await.expect("wait");
    let [found] = known("a").await.try_into().expect("one");
    assert_eq!((found.execution_id.as_str(), found.pid, found.detached), ("a", pid, true));
    assert!(
        bench
            .client
            .clone()
            .list(ListRequest::default())
            .await
            .expect("list")
            .get_ref()
            .executions
            .is_empty()
    );
    // As often as it is asked for.
    for _ in 0..2 {
        let request = AttachRequest { execution_id: "a".into(), oldest: true, ..AttachRequest::default() };
        let stream = bench.client.clone().attach(request).await.expect("attach").into_inner();
        let outcome = read_all(stream, [0, 0]).await;
        assert_eq!((outcome.stdout.as_slice(), outcome.exit.code), (&b"said\n"[..], 7));
    }
}
