//! What the guest does on its own, as the host sees it: the main process, its restarts and its journal, health, limits and
//! the end. Over `tokio::io::duplex`, with a real zygote that runs processes of this machine.

use std::time::{Duration, Instant};

use boxlite_guest::{
    services::{AgentStart, Server, Services},
    supervision::{JournalAsks, JournalLine},
    zygote::{self, Zygote},
};
use boxlite_proto::{
    port,
    v1::{
        AttachRequest, BoxEvent, Command, ExecRequest, HealthCheck, JournalRecord, KillRequest, ListRequest,
        MainExited, MainProcess, MetricsRequest, RestartPolicy, ShutdownRequest, StartError, Supervision,
        WatchRequest, box_event::Event, exec_output, execution_client::ExecutionClient,
        guest_client::GuestClient, health_changed::Health, health_check::Check, journal_record::Record,
        restart_policy::When, start_error::Kind, supervisor_client::SupervisorClient,
    },
};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    channel: Channel,
    ended: watch::Receiver<bool>,
    journal: JoinHandle<Vec<u8>>,
    main_error: Option<StartError>,
}

impl Bench {
    /// A guest with these orders, whose host takes the journal as it comes.
    async fn new(orders: Supervision) -> Self {
        Self::with_host(orders, |asks| tokio::spawn(take_journal(asks, 64 * 1024))).await
    }

    async fn with_host(orders: Supervision, host: impl FnOnce(JournalAsks) -> JoinHandle<Vec<u8>>) -> Self {
        let zygote = Zygote::new(zygote::launch().expect("fork the zygote")).expect("take up the line");
        zygote.uncontained().await.expect("serve on this machine");
        let (end, ended) = watch::channel(false);
        let (line, asks) = JournalLine::new();
        let journal = host(asks);
        let services = Services::uncontained(&zygote, AgentStart::now(), line, end, Some(orders));
        let (services, main_error) = services.await.expect("begun");
        let server = Server::new(services, ended.clone());
        let (host, guest) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move { server.serve(guest).await });
        let mut host = Some(host);
        let channel = Endpoint::from_static("http://box")
            .connect_with_connector(tower::service_fn(move |_| {
                let host = host.take();
                async move { host.map(TokioIo::new).ok_or_else(|| std::io::Error::other("used up")) }
            }))
            .await
            .expect("connect");
        Self { channel, ended, journal, main_error }
    }

    async fn watch(&self) -> Streaming<BoxEvent> {
        let answer = SupervisorClient::new(self.channel.clone()).watch(WatchRequest {}).await;
        answer.expect("watch").into_inner()
    }

    async fn shutdown(&self, grace_ms: u32) -> u32 {
        let answer = GuestClient::new(self.channel.clone()).shutdown(ShutdownRequest { grace_ms }).await;
        answer.expect("shutdown").into_inner().killed
    }

    /// Waits for the machine's end and gives the journal.
    async fn journal(mut self) -> Vec<Record> {
        timeout(PATIENCE, self.ended.wait_for(|ended| *ended)).await.expect("it never ends").expect("alive");
        decode(&self.journal.await.expect("the host"))
    }
}

/// The host's side: everything after the greeting, until the empty record, which it answers by closing.
async fn take_journal(mut asks: JournalAsks, width: usize) -> Vec<u8> {
    let Some(ask) = asks.recv().await else { return Vec::new() };
    let (mut ours, theirs): (DuplexStream, _) = tokio::io::duplex(width);
    assert!(ask.send(Box::new(theirs)).is_ok());
    let mut greeting = [0; port::JOURNAL.len()];
    ours.read_exact(&mut greeting).await.expect("a greeting");
    assert_eq!(greeting, port::JOURNAL);
    let mut bytes = Vec::new();
    while !bytes.ends_with(&[0]) || !decodes(&bytes[..bytes.len() - 1]) {
        if ours.read_buf(&mut bytes).await.expect("read") == 0 {
            return bytes;
        }
    }
    bytes.pop();
    let _ = ours.shutdown().await;
    bytes
}

fn decodes(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        if JournalRecord::decode_length_delimited(&mut bytes).is_err() {
            return false;
        }
    }
    true
}

fn decode(mut bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let record = JournalRecord::decode_length_delimited(&mut bytes).expect("a record");
        assert!(record.time_unix_ns > 0);
        records.extend(record.record);
    }
    records
}

fn shell(line: &str) -> MainProcess {
    MainProcess { argv: vec!["/bin/sh".into(), "-c".into(), line.into()], ..Default::default() }
}

fn only(main: MainProcess) -> Supervision {
    Supervision { main: Some(main), stop_grace_ms: 5000, ..Default::default() }
}

fn stdout(records: &[Record]) -> Vec<u8> {
    let pieces = records.iter().filter_map(|record| match record {
        Record::Stdout(data) => Some(data.to_vec()),
        _ => None,
    });
    pieces.collect::<Vec<_>>().concat()
}

fn exits(records: &[Record]) -> Vec<MainExited> {
    records
        .iter()
        .filter_map(|record| match record {
            Record::Exited(exited) => Some(*exited),
            _ => None,
        })
        .collect()
}

async fn next(events: &mut Streaming<BoxEvent>) -> Option<Event> {
    let event = timeout(PATIENCE, events.message()).await.expect("no event comes").expect("an event");
    event.and_then(|event| event.event)
}

#[tokio::test]
async fn a_main_process_that_ends_ends_the_machine_and_all_it_wrote_is_kept() {
    let line = "echo out; echo err >&2; head -c 300000 /dev/zero; exit 7";
    let records = Bench::new(only(shell(line))).await.journal().await;
    assert!(matches!(records.first(), Some(Record::Started(started)) if started.restarts == 0));
    let out = stdout(&records);
    assert!(out.starts_with(b"out\n") && out.len() == 300_004, "{} bytes", out.len());
    assert!(records.iter().any(|record| matches!(record, Record::Stderr(data) if data == "err\n")));
    assert_eq!(
        records.last(),
        Some(&Record::Exited(MainExited { exit_code: 7, ..Default::default() })),
        "the exit comes last"
    );
}

#[tokio::test]
async fn a_command_that_is_not_there_is_told_at_once() {
    let main = MainProcess { argv: vec!["no-such-command".into()], ..Default::default() };
    let bench = Bench::new(only(main)).await;
    let error = bench.main_error.as_ref().expect("an error");
    assert_eq!(error.kind(), Kind::CommandNotFound);
    assert!(error.message.contains("no-such-command"), "{}", error.message);
    assert!(!*bench.ended.borrow());
}

#[tokio::test]
async fn it_is_started_again_as_the_policy_says() {
    let policy = RestartPolicy { when: When::OnFailure.into(), max_restarts: 2, delay_ms: 1 };
    let main = MainProcess { restart: Some(policy), ..shell("echo run; exit 3") };
    let bench = Bench::new(only(main)).await;
    let mut events = bench.watch().await;
    let mut seen = Vec::new();
    while let Some(event) = next(&mut events).await {
        seen.push(event);
    }
    assert!(matches!(seen.last(), Some(Event::MainExited(exited)) if !exited.restarts), "{seen:?}");
    let records = bench.journal().await;
    assert_eq!(stdout(&records), b"run\nrun\nrun\n");
    let starts: Vec<u32> = records
        .iter()
        .filter_map(|record| match record {
            Record::Started(started) => Some(started.restarts),
            _ => None,
        })
        .collect();
    assert_eq!(starts, [0, 1, 2]);
    let exits = exits(&records);
    assert_eq!(exits.iter().map(|exit| exit.restarts).collect::<Vec<_>>(), [true, true, false]);
    assert!(exits.iter().all(|exit| exit.exit_code == 3));
}

#[tokio::test]
async fn it_is_listed_and_can_be_signalled_and_attached_to() {
    let bench = Bench::new(only(shell("echo hello; sleep 600"))).await;
    let mut executions = ExecutionClient::new(bench.channel.clone());
    let listed = executions.list(ListRequest::default()).await.expect("list").into_inner().executions;
    assert_eq!(listed.iter().map(|one| one.execution_id.as_str()).collect::<Vec<_>>(), ["main"]);
    let request = AttachRequest { execution_id: "main".into(), oldest: true, ..Default::default() };
    let mut output = executions.attach(request).await.expect("attach").into_inner();
    let first = output.message().await.expect("output").and_then(|output| output.event);
    assert!(matches!(first, Some(exec_output::Event::Stdout(chunk)) if chunk.data == "hello\n"));
    let kill = KillRequest { execution_id: "main".into(), signal: 9, all: true };
    assert!(executions.kill(kill).await.expect("kill").into_inner().delivered);
    let records = bench.journal().await;
    assert_eq!(stdout(&records), b"hello\n");
    assert_eq!(exits(&records)[0].signal, 9);
}

#[tokio::test]
async fn shutdown_sends_it_its_own_signal_and_others_sigterm() {
    let wait = "while :; do sleep 0.05; done";
    let main = MainProcess {
        stop_signal: 10,
        ..shell(&format!("trap 'echo usr1; exit 5' USR1; trap 'echo term' TERM; echo ready; {wait}"))
    };
    let bench = Bench::new(only(main)).await;
    let mut executions = ExecutionClient::new(bench.channel.clone());
    let line = format!("trap 'echo term; exit 0' TERM; echo ready; {wait}");
    let request = ExecRequest {
        execution_id: "other".into(),
        command: "/bin/sh".into(),
        args: vec!["-c".into(), line],
        ..Default::default()
    };
    executions.exec(request).await.expect("exec");
    let attach = |id: &str| AttachRequest { execution_id: id.into(), oldest: true, ..Default::default() };
    let mut other = executions.attach(attach("other")).await.expect("attach").into_inner();
    let mut main = executions.attach(attach("main")).await.expect("attach").into_inner();
    for stream in [&mut other, &mut main] {
        let ready = stream.message().await.expect("output").and_then(|output| output.event);
        assert!(matches!(ready, Some(exec_output::Event::Stdout(chunk)) if chunk.data == "ready\n"));
    }
    drop(main);
    let (killed, said) = tokio::join!(bench.shutdown(20_000), async {
        loop {
            match other.message().await.expect("output").and_then(|output| output.event) {
                // The shell may tell first that its `sleep` was terminated.
                Some(exec_output::Event::Stderr(_)) => {}
                said => break said,
            }
        }
    });
    assert!(matches!(&said, Some(exec_output::Event::Stdout(chunk)) if chunk.data == "term\n"), "{said:?}");
    assert_eq!(killed, 0);
    let records = bench.journal().await;
    assert_eq!(stdout(&records), b"ready\nusr1\n");
    assert_eq!(exits(&records), [MainExited { exit_code: 5, ..Default::default() }]);
}

#[tokio::test]
async fn a_host_that_takes_nothing_holds_nobody_up_for_ever_and_the_loss_is_told() {
    let (go, mut gone) = watch::channel(false);
    let host = |mut asks: JournalAsks| {
        tokio::spawn(async move {
            let ask = asks.recv().await.expect("asked");
            let (mut ours, theirs) = tokio::io::duplex(1024);
            assert!(ask.send(Box::new(theirs)).is_ok());
            // Takes nothing until the main process is through.
            let _ = gone.wait_for(|gone| *gone).await;
            let mut bytes = Vec::new();
            ours.read_exact(&mut [0; port::JOURNAL.len()]).await.expect("a greeting");
            while !bytes.ends_with(&[0]) || !decodes(&bytes[..bytes.len() - 1]) {
                ours.read_buf(&mut bytes).await.expect("read");
            }
            bytes.pop();
            bytes
        })
    };
    let bench = Bench::with_host(only(shell("head -c 8000000 /dev/zero; echo end")), host).await;
    let mut events = bench.watch().await;
    let began = Instant::now();
    while !matches!(next(&mut events).await, Some(Event::MainExited(_))) {}
    assert!(began.elapsed() < PATIENCE);
    go.send_replace(true);
    let records = bench.journal().await;
    let lost: u64 = records
        .iter()
        .map(|record| match record {
            Record::Lost(bytes) => *bytes,
            _ => 0,
        })
        .sum();
    let out = stdout(&records);
    assert!(lost > 0 && out.ends_with(b"end\n"), "{lost} lost");
    assert_eq!(lost + out.len() as u64, 8_000_004);
    assert_eq!(exits(&records).len(), 1);
}

#[tokio::test]
async fn without_a_host_for_the_journal_it_runs_all_the_same() {
    let host = |asks: JournalAsks| {
        drop(asks);
        tokio::spawn(async { Vec::new() })
    };
    let bench = Bench::with_host(only(shell("echo x; exit 1")), host).await;
    assert!(bench.journal().await.is_empty());
}

#[tokio::test]
async fn health_follows_its_command_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let flag = folder.path().join("healthy");
    let line = format!("sleep 600 & echo checking; test -e {}", flag.display());
    let health = HealthCheck {
        check: Some(Check::Command(Command { argv: vec!["/bin/sh".into(), "-c".into(), line] })),
        interval_ms: 20,
        timeout_ms: 10_000,
        retries: 2,
        start_period_ms: 0,
    };
    let orders = Supervision { health: Some(health), ..Default::default() };
    let bench = Bench::new(orders).await;
    let mut events = bench.watch().await;
    let mut expect = async |health: Health| match next(&mut events).await {
        Some(Event::Health(changed)) => {
            assert_eq!(changed.health(), health, "{changed:?}");
            changed
        }
        other => panic!("{other:?}"),
    };
    expect(Health::Starting).await;
    let changed = expect(Health::Unhealthy).await;
    assert_eq!((changed.failures, changed.output.as_str()), (2, "checking"));
    std::fs::write(&flag, "").expect("written");
    expect(Health::Healthy).await;
    std::fs::remove_file(&flag).expect("removed");
    expect(Health::Unhealthy).await;
    // Told first to one that comes later.
    assert!(
        matches!(next(&mut bench.watch().await).await, Some(Event::Health(now)) if now.health() == Health::Unhealthy)
    );
    let mut executions = ExecutionClient::new(bench.channel.clone());
    assert!(executions.list(ListRequest::default()).await.expect("list").into_inner().executions.is_empty());
    let mut supervisor = SupervisorClient::new(bench.channel.clone());
    let metrics = supervisor.metrics(MetricsRequest {}).await.expect("metrics").into_inner();
    assert_eq!(metrics.executions, 0);
    assert!(metrics.memory_total > 0);
    bench.shutdown(0).await;
    let records = bench.journal().await;
    assert!(records.iter().filter(|record| matches!(record, Record::Health(_))).count() >= 4);
}

#[tokio::test]
async fn a_check_that_hangs_is_ended_and_a_port_is_checked_too() {
    let command =
        |line: &str| Check::Command(Command { argv: vec!["/bin/sh".into(), "-c".into(), line.into()] });
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let open = u32::from(listener.local_addr().expect("bound").port());
    for (check, health, words) in [
        (command("echo started; sleep 600"), Health::Unhealthy, "started\nit took longer than 50ms"),
        (Check::Command(Command { argv: vec!["no-such".into()] }), Health::Unhealthy, "not found in PATH"),
        (command("exit 9"), Health::Unhealthy, "exit code 9"),
        (Check::TcpPort(1), Health::Unhealthy, "127.0.0.1:1"),
        (Check::TcpPort(70_000), Health::Unhealthy, "no such port"),
        (Check::TcpPort(open), Health::Healthy, ""),
    ] {
        let health_check = HealthCheck {
            timeout_ms: if words.contains("50ms") { 50 } else { 10_000 },
            check: Some(check),
            interval_ms: 1,
            retries: 1,
            start_period_ms: 0,
        };
        let orders = Supervision { health: Some(health_check), ..Default::default() };
        let bench = Bench::new(orders).await;
        let mut events = bench.watch().await;
        let mut changed = loop {
            match next(&mut events).await {
                Some(Event::Health(changed)) if changed.health() == Health::Starting => {}
                Some(Event::Health(changed)) => break changed,
                other => panic!("{other:?}"),
            }
        };
        changed.output.truncate(200);
        assert_eq!(changed.health(), health, "{changed:?}");
        assert!(changed.output.contains(words), "{changed:?}");
        bench.shutdown(0).await;
    }
}

#[tokio::test]
async fn limits_end_the_machine_by_themselves() {
    for (orders, limit) in [
        (Supervision { max_lifetime_ms: 50, ..Default::default() }, 0),
        (Supervision { idle_timeout_ms: 50, ..Default::default() }, 1),
        // A main process is no use of the box.
        (Supervision { idle_timeout_ms: 50, ..only(shell("sleep 600")) }, 1),
    ] {
        let records = Bench::new(orders).await.journal().await;
        let reached: Vec<i32> = records
            .iter()
            .filter_map(|record| match record {
                Record::Limit(reached) => Some(reached.limit),
                _ => None,
            })
            .collect();
        assert_eq!(reached, [limit]);
    }
}

#[tokio::test]
async fn a_box_in_use_is_not_idle() {
    let bench = Bench::new(Supervision { idle_timeout_ms: 150, ..Default::default() }).await;
    let mut executions = ExecutionClient::new(bench.channel.clone());
    let request = ExecRequest {
        execution_id: "busy".into(),
        command: "/bin/sleep".into(),
        args: vec!["1".into()],
        ..Default::default()
    };
    let began = Instant::now();
    executions.exec(request).await.expect("exec");
    // Watching is no use.
    let mut events = bench.watch().await;
    assert!(matches!(next(&mut events).await, Some(Event::Limit(_))));
    assert!(began.elapsed() > Duration::from_millis(1100), "{:?}", began.elapsed());
    bench.journal().await;
}
