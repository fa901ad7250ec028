//! Health checks: by a command, by a port.

use boxlite_proto::v1::{
    Command, HealthCheck, ListRequest, MetricsRequest, Supervision, box_event::Event,
    execution_client::ExecutionClient, health_changed::Health, health_check::Check, journal_record::Record,
    supervisor_client::SupervisorClient,
};

use super::bench::{Bench, next};

#[tokio::test]
async fn health_follows_its_command_and_leaves_no_process() {
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
    let config = Supervision { health: Some(health), ..Default::default() };
    let bench = Bench::new(config).await;
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
    // A new watcher receives it first.
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
    for (check, health, output) in [
        (command("echo started; sleep 600"), Health::Unhealthy, "started\nit took longer than 50ms"),
        (Check::Command(Command { argv: vec!["no-such".into()] }), Health::Unhealthy, "not found in PATH"),
        (command("exit 9"), Health::Unhealthy, "exit code 9"),
        (Check::TcpPort(1), Health::Unhealthy, "127.0.0.1:1"),
        (Check::TcpPort(70_000), Health::Unhealthy, "no such port"),
        (Check::TcpPort(open), Health::Healthy, ""),
    ] {
        let health_check = HealthCheck {
            timeout_ms: if output.contains("50ms") { 50 } else { 10_000 },
            check: Some(check),
            interval_ms: 1,
            retries: 1,
            start_period_ms: 0,
        };
        let config = Supervision { health: Some(health_check), ..Default::default() };
        let bench = Bench::new(config).await;
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
        assert!(changed.output.contains(output), "{changed:?}");
        bench.shutdown(0).await;
    }
}
