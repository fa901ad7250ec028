//! How long the machine may run, and be idle.

use std::time::{Duration, Instant};

use boxlite_proto::v1::{
    AmendRequest, Environment, ExecOutput, ExecRequest, Supervision, box_event::Event, exec_output,
    execution_client::ExecutionClient, journal_record::Record, supervisor_client::SupervisorClient,
};

use super::bench::{Bench, next, only, shell};

#[tokio::test]
async fn limits_end_the_machine_by_themselves() {
    for (config, limit) in [
        (Supervision { max_lifetime_ms: 50, ..Default::default() }, 0),
        (Supervision { idle_timeout_ms: 50, ..Default::default() }, 1),
        (Supervision { ends_at_unix_ms: unix_ms() + 50, ..Default::default() }, 2),
        // A main process does not count as use of the box.
        (Supervision { idle_timeout_ms: 50, ..only(shell("sleep 600")) }, 1),
    ] {
        let records = Bench::new(config).await.journal().await;
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

fn unix_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_millis()).expect("before the year 500 million")
}

async fn amend(bench: &Bench, request: AmendRequest) {
    SupervisorClient::new(bench.channel.clone()).amend(request).await.expect("amend");
}

#[tokio::test]
async fn limits_are_put_off_taken_away_and_given_to_a_box_that_had_none() {
    // Without any of these, the machine would end by the limit that it began with.
    let bench = Bench::new(Supervision { max_lifetime_ms: 300, ..Default::default() }).await;
    let mut events = bench.watch().await;
    amend(
        &bench,
        AmendRequest { max_lifetime_ms: Some(0), idle_timeout_ms: Some(600_000), ..Default::default() },
    )
    .await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    // Counted from the container's start, which is longer ago.
    amend(&bench, AmendRequest { max_lifetime_ms: Some(1), ..Default::default() }).await;
    let Some(Event::Limit(reached)) = next(&mut events).await else { panic!("no limit") };
    assert_eq!(reached.limit, 0);
    bench.journal().await;

    let bench = Bench::new(only(shell("sleep 600"))).await;
    let mut events = bench.watch().await;
    assert!(matches!(next(&mut events).await, Some(Event::MainStarted(_))));
    amend(&bench, AmendRequest { ends_at_unix_ms: Some(unix_ms() + 50), ..Default::default() }).await;
    let Some(Event::Limit(reached)) = next(&mut events).await else { panic!("no limit") };
    assert_eq!(reached.limit, 2);
    bench.journal().await;
}

#[tokio::test]
async fn later_executions_have_the_new_environment() {
    let bench = Bench::new(Supervision { idle_timeout_ms: 600_000, ..Default::default() }).await;
    let env = vec!["A=new".to_owned(), "PATH=/bin:/usr/bin".to_owned()];
    amend(&bench, AmendRequest { env: Some(Environment { env }), ..Default::default() }).await;
    let request = ExecRequest {
        execution_id: "later".into(),
        command: "/bin/sh".into(),
        args: vec!["-c".into(), "echo $A".into()],
        ..Default::default()
    };
    let mut output =
        ExecutionClient::new(bench.channel.clone()).run(request).await.expect("run").into_inner();
    let mut stdout = Vec::new();
    while let Some(ExecOutput { event }) = output.message().await.expect("output") {
        if let Some(exec_output::Event::Stdout(chunk)) = event {
            stdout.extend_from_slice(&chunk.data);
        }
    }
    assert_eq!(stdout, b"new\n");
    bench.shutdown(0).await;
    bench.journal().await;
}

#[tokio::test]
async fn a_touch_begins_the_idle_time_anew() {
    let bench = Bench::new(Supervision { idle_timeout_ms: 400, ..Default::default() }).await;
    let mut events = bench.watch().await;
    let began = Instant::now();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        amend(&bench, AmendRequest::default()).await;
    }
    let touched = began.elapsed();
    assert!(matches!(next(&mut events).await, Some(Event::Limit(_))));
    assert!(began.elapsed() >= touched + Duration::from_millis(390), "{:?}", began.elapsed());
    bench.journal().await;
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
