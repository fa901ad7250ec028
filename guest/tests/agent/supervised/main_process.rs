//! The main process: its end, its restarts, its signals.

use boxlite_proto::v1::{
    AttachRequest, ExecRequest, KillRequest, ListRequest, MainExited, MainProcess, RestartPolicy,
    box_event::Event, exec_output, execution_client::ExecutionClient, journal_record::Record,
    restart_policy::When, start_error::Kind,
};

use super::bench::{Bench, exits, next, only, shell, stdout};

#[tokio::test]
async fn a_main_process_that_exits_ends_the_machine_and_all_of_its_output_is_kept() {
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
async fn a_command_that_does_not_exist_is_reported_at_once() {
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
    assert_eq!(listed.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["main"]);
    let request = AttachRequest { execution_id: "main".into(), ..Default::default() };
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
    let attach = |id: &str| AttachRequest { execution_id: id.into(), ..Default::default() };
    let mut other = executions.attach(attach("other")).await.expect("attach").into_inner();
    let mut main = executions.attach(attach("main")).await.expect("attach").into_inner();
    for stream in [&mut other, &mut main] {
        let ready = stream.message().await.expect("output").and_then(|output| output.event);
        assert!(matches!(ready, Some(exec_output::Event::Stdout(chunk)) if chunk.data == "ready\n"));
    }
    drop(main);
    let (killed, event) = tokio::join!(bench.shutdown(20_000), async {
        loop {
            match other.message().await.expect("output").and_then(|output| output.event) {
                // The shell may report first that its `sleep` was terminated.
                Some(exec_output::Event::Stderr(_)) => {}
                event => break event,
            }
        }
    });
    assert!(matches!(&event, Some(exec_output::Event::Stdout(chunk)) if chunk.data == "term\n"), "{event:?}");
    assert_eq!(killed, 0);
    let records = bench.journal().await;
    assert_eq!(stdout(&records), b"ready\nusr1\n");
    assert_eq!(exits(&records), [MainExited { exit_code: 5, ..Default::default() }]);
}
