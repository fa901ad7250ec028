//! Several handles of one execution, as `LiteBox::execution` gives them, also over other connections: each reads all of it, and
//! what any of them writes arrives or is refused.

use std::{sync::Arc, time::Duration};

use boxlite_error::{BoxliteError, ErrorCode};
use boxlite_portal::{ExecEvent, ExecOptions};
use bytes::Bytes;
use tokio::time::timeout;

use crate::{
    duplex::{
        machine, machine_over,
        real::{collect, guest, server, shell},
        spawn,
    },
    litebox::{executions::execution::Execution, lifecycle::machine::Machine},
};

/// What `LiteBox::execution` does.
async fn found(machine: &Arc<Machine>, id: &str) -> Execution {
    let interface = machine.session.execution();
    let known = interface.find(id).await.unwrap().unwrap();
    let output = interface.output(id);
    Execution::new(Arc::clone(machine), Arc::default(), id.to_owned(), known.pid, output, true, 0)
}

/// Reads until the line `last` has come. Answers all that was read, in lines.
async fn until(execution: &Execution, last: &str) -> Vec<String> {
    let mut text = String::new();
    while !text.ends_with('\n') || text.lines().last() != Some(last) {
        for event in execution.recv(1).await.unwrap().expect("more") {
            match event {
                ExecEvent::Stdout(data) => text.push_str(&String::from_utf8_lossy(&data)),
                other => panic!("{other:?}"),
            }
        }
    }
    text.lines().map(str::to_owned).collect()
}

fn reading(script: &str, tty: bool) -> ExecOptions {
    ExecOptions { stdin: true, detached: true, tty: tty.then_some((80, 24)), ..shell(script) }
}

const ECHO: &str = "while read -r line; do echo \"heard $line\"; done; exit 5";

#[tokio::test]
async fn input_from_any_handle_arrives_whatever_became_of_the_others() {
    for tty in [false, true] {
        let server = server(None).await;
        let machine = || {
            let server = server.clone();
            machine_over(move || {
                let (host, guest) = tokio::io::duplex(64 * 1024);
                let server = server.clone();
                tokio::spawn(async move { server.serve(guest).await });
                Ok(host)
            })
        };
        let (here, elsewhere) = (machine(), machine());
        let script =
            if tty { format!("stty -echo; echo ready; {ECHO}") } else { format!("echo ready; {ECHO}") };
        let first = spawn(&here, reading(&script, tty)).await.unwrap();
        let say = async |handle: &Execution, text: &str| {
            handle.write(Bytes::from(format!("{text}\n"))).await.unwrap();
            let heard = format!("heard {text}");
            assert_eq!(until(handle, &heard).await, [heard], "tty {tty}");
        };
        assert_eq!(until(&first, "ready").await, ["ready"]);
        say(&first, "one").await;
        // Alive, and its call is open.
        let second = found(&here, first.id()).await;
        assert_eq!(until(&second, "heard one").await, ["ready", "heard one"]);
        say(&second, "two").await;
        assert_eq!(until(&first, "heard two").await, ["heard two"]);
        first.detach().await;
        // In another process.
        let third = found(&elsewhere, second.id()).await;
        assert_eq!(until(&third, "heard two").await, ["ready", "heard one", "heard two"]);
        say(&third, "three").await;
        drop(second);
        first.write(Bytes::from_static(b"four\n")).await.unwrap();
        assert_eq!(until(&third, "heard four").await, ["heard four"]);
        timeout(Duration::from_secs(30), third.close_stdin()).await.expect("it ends").unwrap();
        let (_, _, exit) = collect(&third).await;
        assert_eq!(exit.code, Some(5));
    }
}

/// Writes until it is told why not: what was accepted before may have been under way.
async fn refused(execution: &Execution) -> BoxliteError {
    let writing = async {
        loop {
            if let Err(error) = execution.write(Bytes::from_static(b"more\n")).await {
                return error;
            }
        }
    };
    timeout(Duration::from_secs(30), writing).await.expect("a refusal")
}

#[tokio::test]
async fn input_after_the_end_by_another_handle_is_refused() {
    let machine = guest().await;
    let first = spawn(&machine, reading("cat; sleep 60", false)).await.unwrap();
    let second = found(&machine, first.id()).await;
    first.write(Bytes::from_static(b"said\n")).await.unwrap();
    assert_eq!(until(&second, "said").await, ["said"]);
    second.close_stdin().await.unwrap();
    assert_eq!(refused(&first).await.code(), ErrorCode::ExecInputClosed);
    assert_eq!(first.close_stdin().await.unwrap_err().code(), ErrorCode::ExecInputClosed);
    assert!(second.kill_all().await.unwrap());
}

#[tokio::test]
async fn input_for_an_execution_without_is_refused() {
    let machine = guest().await;
    let first = spawn(&machine, shell("sleep 60")).await.unwrap();
    let second = found(&machine, first.id()).await;
    assert_eq!(refused(&second).await.code(), ErrorCode::ExecInputClosed);
    assert!(second.kill_all().await.unwrap());
}

#[tokio::test]
async fn several_handles_read_all_of_it_each() {
    const MUCH: usize = 5_000_000;
    let machine = guest().await;
    let script = format!("read x; head -c {MUCH} /dev/urandom; exit 3");
    let first = spawn(&machine, reading(&script, false)).await.unwrap();
    let handles = [first.clone(), found(&machine, first.id()).await, found(&machine, first.id()).await];
    let feed = first.clone();
    let go = async move { feed.write(Bytes::from_static(b"go\n")).await.unwrap() };
    let (all, ()) = tokio::join!(futures::future::join_all(handles.iter().map(collect)), go);
    for (stdout, _, exit) in &all {
        assert_eq!((stdout.len(), exit.code), (MUCH, Some(3)));
        assert!(*stdout == all[0].0);
    }
}

#[tokio::test]
async fn a_handle_that_reads_nothing_is_told_what_it_lost_when_the_others_went_on() {
    const MUCH: usize = 6_000_000;
    let server = server(None).await;
    let (host, guest) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move { server.serve(guest).await });
    let machine = machine(host);
    let first = spawn(&machine, reading(&format!("head -c {MUCH} /dev/zero"), false)).await.unwrap();
    let stalled = found(&machine, first.id()).await;
    // It reads once, and then no more.
    assert!(stalled.recv(1).await.unwrap().is_some());
    let reading = tokio::spawn(async move { collect(&first).await });
    while !reading.is_finished() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(11)).await;
        tokio::time::resume();
    }
    assert_eq!(reading.await.unwrap().0.len(), MUCH);
    let lost = loop {
        match stalled.recv(1 << 20).await {
            Ok(Some(events)) => assert!(!matches!(events.last(), Some(ExecEvent::Exit(_))), "an early end"),
            Ok(None) => panic!("a quiet end"),
            Err(error) => break error,
        }
    };
    assert_eq!(lost.code(), ErrorCode::ExecOutputLost, "{lost}");
}
