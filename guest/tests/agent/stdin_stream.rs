//! Streams to standard input: one that another call continues, and several that take turns.

use boxlite_proto::v1::{ExecStdin, TtySize};
use bytes::Bytes;
use tokio_stream::StreamExt as _;
use tonic::{Code, Status};

use super::bench::{Bench, read_all, shell};

/// One call, which sends `data` from the byte `offset` of `stream` on. Returns how many bytes were accepted.
async fn send(
    bench: &Bench,
    stream: &str,
    offset: u64,
    data: &'static str,
    eof: bool,
) -> Result<u64, Status> {
    let execution_id = "a".into();
    let first = ExecStdin { execution_id, stream: stream.into(), offset, ..ExecStdin::default() };
    let rest = ExecStdin { data: Bytes::from_static(data.as_bytes()), eof, ..ExecStdin::default() };
    let answer = bench.client.clone().send_input(tokio_stream::iter([first, rest])).await;
    answer.map(|answer| answer.into_inner().accepted)
}

async fn reading(script: &str, tty: bool) -> Bench {
    let bench = Bench::new().await;
    let mut request = shell("a", script);
    request.stdin = true;
    request.tty = tty.then_some(TtySize { cols: 80, rows: 24 });
    bench.exec(request).await.expect("exec");
    bench
}

async fn output(bench: &Bench) -> String {
    let outcome = read_all(bench.attach("a", [0, 0]).await.expect("attach"), [0, 0]).await;
    String::from_utf8(outcome.stdout).expect("text")
}

#[tokio::test]
async fn what_was_written_is_skipped_and_the_rest_is_not() {
    let bench = reading("cat", false).await;
    assert_eq!(send(&bench, "f", 0, "hello", false).await.unwrap(), 5);
    assert_eq!(send(&bench, "f", 2, "llo wor", false).await.unwrap(), 4);
    assert_eq!(send(&bench, "f", 0, "hello", false).await.unwrap(), 0);
    assert_eq!(send(&bench, "f", 9, "ld", true).await.unwrap(), 2);
    // The answer to the end was lost, so it is sent again.
    assert_eq!(send(&bench, "f", 0, "hello world", true).await.unwrap(), 0);
    assert_eq!(output(&bench).await, "hello world");
}

#[tokio::test]
async fn a_gap_is_refused() {
    let bench = reading("cat", false).await;
    send(&bench, "f", 0, "one", false).await.unwrap();
    assert_eq!(send(&bench, "f", 4, "?", false).await.unwrap_err().code(), Code::OutOfRange);
    assert_eq!(send(&bench, "", 1, "?", false).await.unwrap_err().code(), Code::OutOfRange);
    let long = "x".repeat(1000);
    assert_eq!(send(&bench, &long, 0, "?", false).await.unwrap_err().code(), Code::InvalidArgument);
    send(&bench, "", 0, "two", true).await.unwrap();
    assert_eq!(output(&bench).await, "onetwo");
}

/// A call that sends `text` and then neither more nor its end.
fn open_call(
    bench: &Bench,
    stream: &str,
    text: &'static str,
) -> tokio::task::JoinHandle<Result<u64, Status>> {
    let first = ExecStdin {
        execution_id: "a".into(),
        stream: stream.into(),
        data: Bytes::from_static(text.as_bytes()),
        ..ExecStdin::default()
    };
    let mut client = bench.client.clone();
    let messages = tokio_stream::once(first).chain(tokio_stream::pending());
    tokio::spawn(async move { Ok(client.send_input(messages).await?.into_inner().accepted) })
}

#[tokio::test]
async fn several_streams_write_though_none_has_ended_and_each_continues() {
    let bench = reading("cat", false).await;
    let open = open_call(&bench, "f", "one ");
    let mut stream = bench.attach("a", [0, 0]).await.expect("attach");
    assert!(stream.message().await.expect("message").is_some(), "it has written");
    assert_eq!(send(&bench, "g", 0, "two ", false).await.unwrap(), 4);
    assert_eq!(send(&bench, "h", 0, "three ", false).await.unwrap(), 6);
    // The open call is of the same stream. Another call continues it, and nothing is lost.
    assert_eq!(send(&bench, "f", 4, "four ", false).await.unwrap(), 5);
    assert_eq!(send(&bench, "g", 2, "o five", true).await.unwrap(), 4);
    assert_eq!(output(&bench).await, "one two three four five");
    open.abort();
}

#[tokio::test]
async fn input_after_the_end_by_another_stream_is_refused_and_never_lost_silently() {
    let bench = reading("cat; sleep 60", false).await;
    assert_eq!(send(&bench, "f", 0, "said", false).await.unwrap(), 4);
    assert_eq!(send(&bench, "g", 0, "last", true).await.unwrap(), 4);
    let refused = send(&bench, "f", 4, "more", false).await.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);
    assert!(refused.message().contains("another handle"), "{refused}");
    // Another end changes nothing, and what was written before is not reported as lost.
    send(&bench, "h", 0, "", true).await.unwrap();
    assert_eq!(send(&bench, "f", 0, "said", true).await.unwrap(), 0);
    bench.kill("a").await;
}

#[tokio::test]
async fn an_execution_without_input_refuses_it() {
    let bench = Bench::new().await;
    bench.exec(shell("a", "sleep 60")).await.expect("exec");
    let refused = send(&bench, "f", 0, "?", false).await.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);
    send(&bench, "f", 0, "", true).await.unwrap();
    bench.kill("a").await;
}

#[tokio::test]
async fn the_end_is_typed_once() {
    let bench = reading("stty -echo; cat; echo first; cat; echo second", true).await;
    for _ in 0..2 {
        send(&bench, "f", 0, "line\n", true).await.unwrap();
    }
    // Another stream has an end of its own.
    send(&bench, "g", 0, "more\n", true).await.unwrap();
    let output = output(&bench).await;
    let (before, after) = output.split_once("first").expect("the first end");
    assert!(before.matches("line").count() <= 2 && after.contains("more"), "{output:?}");
    assert!(after.contains("second"), "{output:?}");
}
