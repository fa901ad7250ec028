//! The journal with a host that is slow, or that takes none.

use std::time::Instant;

use boxlite_guest::supervision::StreamRequests;
use boxlite_proto::v1::{box_event::Event, journal_record::Record};
use boxlite_wire::port;
use tokio::{io::AsyncReadExt as _, sync::watch};

use super::bench::{Bench, PATIENCE, decodes, exits, next, only, shell, stdout};

#[tokio::test]
async fn a_host_that_takes_nothing_stalls_nobody_for_ever_and_the_loss_is_recorded() {
    let (go, mut gone) = watch::channel(false);
    let host = |mut requests: StreamRequests| {
        tokio::spawn(async move {
            let request = requests.recv().await.expect("requested");
            let (mut ours, theirs) = tokio::io::duplex(1024);
            assert!(request.send(Box::new(theirs)));
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
    let host = |requests: StreamRequests| {
        drop(requests);
        tokio::spawn(async { Vec::new() })
    };
    let bench = Bench::with_host(only(shell("echo x; exit 1")), host).await;
    assert!(bench.journal().await.is_empty());
}
