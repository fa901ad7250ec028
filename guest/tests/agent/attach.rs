//! Readers of an execution: early, late, again, and instead of others.

use std::time::{Duration, Instant};

use boxlite_proto::{
    limits,
    v1::{AttachRequest, ExecRequest, ExecStdin, KillRequest, ListRequest, WaitRequest, exec_output::Event},
};
use bytes::Bytes;
use nix::libc;
use tonic::Code;

use super::bench::{Bench, code, connect, read_all, shell};

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
    let input =
        ExecStdin { execution_id: "a".into(), data: Bytes::from_static(b"x\n"), ..ExecStdin::default() };
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

/// Everything happens behind an agent that was busy: hundreds have ended before the first of them is looked at.
#[tokio::test]
async fn what_ends_before_its_reader_comes_is_read_whole() {
    let bench = Bench::new().await;
    let runs = (0..200).map(|index| {
        let bench = &bench;
        async move { (index, bench.run(shell(&format!("e{index}"), &format!("echo {index}"))).await) }
    });
    let busy = async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let (outcomes, ()) = tokio::join!(futures::future::join_all(runs), busy);
    for (index, outcome) in outcomes {
        assert_eq!(String::from_utf8_lossy(&outcome.stdout), format!("{index}\n"));
    }
}

#[tokio::test]
async fn output_that_was_given_up_unread_is_out_of_range_and_not_an_early_end() {
    const EACH: usize = 60_000;
    let bench = Bench::new().await;
    let id = |index: usize| format!("e{index}");
    let count = limits::UNCLAIMED / EACH + 2;
    for index in 0..count {
        let execution_id = id(index);
        bench.exec(shell(&execution_id, &format!("head -c {EACH} /dev/zero"))).await.expect("exec");
        bench.client.clone().wait(WaitRequest { execution_id }).await.expect("wait");
    }
    for index in [count - 1, 2] {
        let kept = read_all(bench.attach(&id(index), [0, 0]).await.expect("attach"), [0, 0]).await;
        assert_eq!((kept.stdout.len(), kept.exit), (EACH, code(0)));
    }
    let first = async { bench.attach(&id(0), [0, 0]).await?.message().await };
    assert_eq!(first.await.expect_err("it was given up").code(), Code::OutOfRange);
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
        let request = AttachRequest { execution_id: "a".into(), ..AttachRequest::default() };
        let stream = bench.client.clone().attach(request).await.expect("attach").into_inner();
        let outcome = read_all(stream, [0, 0]).await;
        assert_eq!((outcome.stdout.as_slice(), outcome.exit.code), (&b"said\n"[..], 7));
    }
}

#[tokio::test]
async fn one_that_has_ended_is_forgotten_after_its_time() {
    let bench = Bench::new().await;
    let known = async |id: &str| {
        let request = ListRequest { execution_id: id.into() };
        bench.client.clone().list(request).await.expect("list").get_ref().executions.len()
    };
    bench.exec(shell("early", "echo said")).await.expect("exec");
    bench.client.clone().wait(WaitRequest { execution_id: "early".into() }).await.expect("wait");
    tokio::time::pause();
    tokio::time::advance(limits::ENDED / 2).await;
    tokio::time::resume();
    bench.exec(shell("late", "echo said")).await.expect("exec");
    bench.client.clone().wait(WaitRequest { execution_id: "late".into() }).await.expect("wait");
    assert_eq!((known("early").await, known("late").await), (1, 1));
    // Both are looked at when the first one's time has come, and the second then has half of its own left.
    tokio::time::pause();
    tokio::time::advance(limits::ENDED / 2 + Duration::from_secs(1)).await;
    tokio::time::resume();
    assert_eq!((known("early").await, known("late").await), (0, 1));
    tokio::time::pause();
    let gone = bench.attach("early", [0, 0]).await.expect_err("nothing to attach to");
    assert_eq!(gone.code(), Code::NotFound);
}
