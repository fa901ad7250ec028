//! Readers of an execution: early, late, again, and several at once.

use std::time::{Duration, Instant};

use boxlite_proto::v1::{
    AttachRequest, ExecOutput, ExecRequest, ExecStdin, KillRequest, ListRequest, WaitRequest,
    exec_output::Event,
};
use boxlite_wire::limits;
use bytes::Bytes;
use nix::libc;
use tokio::time::timeout;
use tonic::{Code, Streaming};

use super::bench::{Bench, code, connect, read_all, shell};

#[tokio::test]
async fn each_of_several_readers_gets_all_from_where_it_asks() {
    let bench = Bench::new().await;
    let mut request = shell("a", "echo one; read line; echo two $line");
    request.stdin = true;
    bench.exec(request).await.expect("exec");
    let mut first = bench.attach("a", [0, 0]).await.expect("attach");
    assert_eq!(stdout(&mut first).await, b"one\n");
    let second = bench.attach("a", [2, 0]).await.expect("attach again");
    let input =
        ExecStdin { execution_id: "a".into(), data: Bytes::from_static(b"x\n"), ..ExecStdin::default() };
    let ack = bench.client.clone().send_input(tokio_stream::iter([input])).await.expect("input").into_inner();
    assert_eq!(ack.accepted, 2);
    let (first, second) = tokio::join!(read_all(first, [4, 0]), read_all(second, [2, 0]));
    assert_eq!((first.stdout.as_slice(), first.exit), (&b"two x\n"[..], code(0)));
    assert_eq!((second.stdout.as_slice(), second.exit), (&b"e\ntwo x\n"[..], code(0)));
    // And once more after the end, from the start.
    assert_eq!(
        read_all(bench.attach("a", [0, 0]).await.expect("attach"), [0, 0]).await.stdout,
        b"one\ntwo x\n"
    );
    let beyond = bench.attach("a", [99, 0]).await.expect_err("beyond the end");
    assert_eq!(beyond.code(), Code::OutOfRange);
}

async fn stdout(stream: &mut Streaming<ExecOutput>) -> Vec<u8> {
    match stream.message().await.expect("message").expect("some").event {
        Some(Event::Stdout(chunk)) => chunk.data.into(),
        other => panic!("stdout first: {other:?}"),
    }
}

/// Bytes of each stream, far more than are kept.
const MUCH: usize = 6_000_000;

fn writing_much(id: &str) -> ExecRequest {
    shell(id, &format!("head -c {MUCH} /dev/urandom | tee /dev/stderr"))
}

#[tokio::test]
async fn several_readers_of_much_output_each_get_all_of_it() {
    let bench = Bench::new().await;
    bench.exec(writing_much("a")).await.expect("exec");
    let readers =
        (0..4).map(async |_| read_all(bench.attach("a", [0, 0]).await.expect("attach"), [0, 0]).await);
    let all = futures::future::join_all(readers).await;
    for one in &all {
        assert_eq!((one.stdout.len(), one.exit), (MUCH, code(0)));
        assert!(one.stdout == all[0].stdout && one.stderr == all[0].stdout);
    }
}

#[tokio::test]
async fn a_slow_reader_holds_the_others_back_and_misses_nothing() {
    let bench = Bench::new().await;
    bench.exec(writing_much("a")).await.expect("exec");
    let slow = bench.attach("a", [0, 0]).await.expect("attach");
    let mut fast = bench.attach("a", [0, 0]).await.expect("attach");
    let mut read = 0;
    while let Ok(message) = timeout(Duration::from_millis(500), fast.message()).await {
        match message.expect("message").expect("more").event {
            Some(Event::Stdout(chunk)) => {
                assert_eq!(chunk.offset, read);
                read += chunk.data.len() as u64;
            }
            Some(Event::Stderr(_)) => {}
            other => panic!("an end: {other:?}"),
        }
    }
    let most = limits::REPLAY + limits::STREAM_WINDOW as usize + 4 * limits::CHUNK;
    assert!(read <= most as u64, "{read}");
    let rest = async {
        while let Some(message) = fast.message().await.expect("message") {
            match message.event {
                Some(Event::Stdout(chunk)) => read += chunk.data.len() as u64,
                Some(Event::Exit(exit)) => assert_eq!(exit, code(0)),
                _ => {}
            }
        }
        read
    };
    let (slow, read) = tokio::join!(read_all(slow, [0, 0]), rest);
    assert_eq!((slow.stdout.len(), slow.stderr.len(), read), (MUCH, MUCH, MUCH as u64));
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_passed_over_and_learns_of_its_loss() {
    let bench = Bench::new().await;
    bench.exec(shell("a", &format!("head -c {MUCH} /dev/zero"))).await.expect("exec");
    // It has a connection of its own, whose windows are full when it does not read.
    let mut other = connect(&bench.server).await;
    let request = AttachRequest { execution_id: "a".into(), ..AttachRequest::default() };
    let mut stalled = other.attach(request).await.expect("attach").into_inner();
    let fast = tokio::spawn(read_all(bench.attach("a", [0, 0]).await.expect("attach"), [0, 0]));
    // It is held back before it has all; then time passes, in which nobody does anything.
    while !fast.is_finished() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(11)).await;
        tokio::time::resume();
    }
    assert_eq!(fast.await.expect("task").stdout.len(), MUCH);
    let lost = loop {
        match stalled.message().await {
            Ok(Some(message)) => assert!(!matches!(message.event, Some(Event::Exit(_))), "an early end"),
            Ok(None) => panic!("a quiet end"),
            Err(lost) => break lost,
        }
    };
    assert_eq!(lost.code(), Code::DataLoss);
}

#[tokio::test]
async fn a_reader_that_goes_away_holds_nobody_back() {
    let bench = Bench::new().await;
    bench.exec(writing_much("a")).await.expect("exec");
    let gone = bench.attach("a", [0, 0]).await.expect("attach");
    let fast = tokio::spawn(read_all(bench.attach("a", [0, 0]).await.expect("attach"), [0, 0]));
    tokio::task::yield_now().await;
    drop(gone);
    let fast =
        timeout(Duration::from_secs(9), fast).await.expect("sooner than one that is stalled").expect("task");
    assert_eq!((fast.stdout.len(), fast.stderr.len()), (MUCH, MUCH));
}

#[tokio::test]
async fn output_that_is_gone_is_a_loss() {
    let bench = Bench::new().await;
    bench.run(shell("a", "head -c 3000000 /dev/zero")).await;
    let mut stream = bench.attach("a", [0, 0]).await.expect("attach");
    assert_eq!(stream.message().await.expect_err("too old").code(), Code::DataLoss);
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

/// The agent is busy: hundreds of executions end before the first reader comes.
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
async fn output_that_was_discarded_unread_is_a_loss_and_not_an_early_end() {
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
    assert_eq!(first.await.expect_err("it was discarded").code(), Code::DataLoss);
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
async fn a_start_that_is_held_back_is_sent_with_the_next_event() {
    let bench = Bench::new().await;
    let outcome = bench.run(ExecRequest { defer_started: true, ..shell("a", "echo out; exit 3") }).await;
    assert_eq!((outcome.stdout.as_slice(), outcome.exit.code), (&b"out\n"[..], 3));
    // The start of an execution without output is sent too, and long before its end.
    let request = ExecRequest { defer_started: true, ..shell("b", "exec sleep 60") };
    let began = Instant::now();
    let mut events = bench.client.clone().run(request).await.expect("run").into_inner();
    let first = events.message().await.expect("stream").expect("an event");
    assert!(matches!(first.event, Some(Event::Started(_))), "{first:?}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let kill = KillRequest { execution_id: "b".into(), signal: libc::SIGKILL, all: true };
    assert!(bench.client.clone().kill(kill).await.expect("kill").into_inner().delivered);
}

#[tokio::test]
async fn an_ended_execution_is_found_with_its_output_and_its_exit() {
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
    assert_eq!((found.id.as_str(), found.pid, found.detached), ("a", pid, true));
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
    // It can be read any number of times.
    for _ in 0..2 {
        let request = AttachRequest { execution_id: "a".into(), ..AttachRequest::default() };
        let stream = bench.client.clone().attach(request).await.expect("attach").into_inner();
        let outcome = read_all(stream, [0, 0]).await;
        assert_eq!((outcome.stdout.as_slice(), outcome.exit.code), (&b"said\n"[..], 7));
    }
}

#[tokio::test]
async fn an_ended_execution_is_forgotten_after_its_time() {
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
    // At the end of the first one's time, half of the second one's time is left.
    tokio::time::pause();
    tokio::time::advance(limits::ENDED / 2 + Duration::from_secs(1)).await;
    tokio::time::resume();
    assert_eq!((known("early").await, known("late").await), (0, 1));
    tokio::time::pause();
    let gone = bench.attach("early", [0, 0]).await.expect_err("nothing to attach to");
    assert_eq!(gone.code(), Code::NotFound);
}
