//! How long the machine may live, and be idle.

use std::time::{Duration, Instant};

use boxlite_proto::v1::{
    ExecRequest, Supervision, box_event::Event, execution_client::ExecutionClient, journal_record::Record,
};

use super::bench::{Bench, next, only, shell};

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
