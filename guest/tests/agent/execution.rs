//! Executions: streams, exits, signals, order and bounds.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use boxlite_proto::v1::{
    ExecRequest, ExecStdin, ExitStatus, KillRequest, TtySize, WaitRequest, exec_output::Event,
    start_error::Kind,
};
use boxlite_wire::limits;
use bytes::Bytes;
use nix::libc;
use tonic::Code;

use super::bench::{Bench, code, read_all, shell};

#[tokio::test]
async fn streams_are_separate_and_the_exit_code_is_exact() {
    let outcome = Bench::new().await.run(shell("a", "echo out; echo err >&2; exit 7")).await;
    assert_eq!((outcome.stdout.as_slice(), outcome.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!(outcome.exit, code(7));
}

#[tokio::test]
async fn a_signal_is_not_an_exit_code() {
    let outcome = Bench::new().await.run(shell("a", "kill -TERM $$")).await;
    assert_eq!(outcome.exit, ExitStatus { signal: 15, ..ExitStatus::default() });
    let outcome = Bench::new().await.run(shell("a", "kill -40 $$")).await;
    assert_eq!(outcome.exit.signal, 40, "a real-time signal");
}

#[tokio::test]
async fn large_output_arrives_byte_for_byte() {
    let outcome = Bench::new().await.run(shell("a", "seq 1 2000000")).await;
    let expected: String = (1..=2_000_000).flat_map(|line: u32| [line.to_string(), "\n".into()]).collect();
    assert!(outcome.stdout == expected.as_bytes(), "{} bytes of {}", outcome.stdout.len(), expected.len());
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_writer() {
    let bench = Bench::new().await;
    let marks = tempfile::tempdir().expect("tempdir");
    let count = marks.path().join("count");
    // Each line of progress is 64 KiB of output further.
    let script =
        format!("for i in $(seq 200); do head -c 65536 /dev/zero; echo $i > {}; done", count.display());
    let request = shell("a", &script);
    let (started, stream) = tokio::join!(bench.exec(request), bench.attach("a", [0, 0]));
    started.expect("exec");
    let stream = stream.expect("attach");
    let progress = || std::fs::read_to_string(&count).unwrap_or_default().trim().parse::<u32>().unwrap_or(0);
    // It has stopped: the count is the same twice, although there was time to write more.
    let mut before = u32::MAX;
    let deadline = Instant::now() + Duration::from_secs(20);
    while progress() != before || before == 0 {
        assert!(Instant::now() < deadline, "the writer never stopped");
        before = progress();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(before < 40, "window, buffers and pipe hold far less than {before} chunks");
    let outcome = read_all(stream, [0, 0]).await;
    assert_eq!(outcome.stdout.len(), 200 * 65536);
}

#[tokio::test]
async fn a_child_in_the_background_delays_nothing_and_loses_nothing() {
    let begun = Instant::now();
    let outcome = Bench::new().await.run(shell("a", "sleep 30 & head -c 50000 /dev/zero; exit 4")).await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!((outcome.stdout.len(), outcome.exit), (50_000, code(4)));
}

#[tokio::test]
async fn children_in_the_background_that_flood_the_pipes_delay_the_exit_by_a_moment_only() {
    let bench = Bench::new().await;
    let request = shell("a", "head -c 50000 /dev/zero; yes & yes >&2 & exit 4");
    let mut events = bench.client.clone().run(request).await.expect("run").into_inner();
    let deadline = Instant::now() + Duration::from_secs(10);
    let (mut stdout, mut exit) = (Vec::new(), None);
    // A reader that takes its time finds the pipes full again at each read.
    while let Some(message) = events.message().await.expect("stream") {
        match message.event {
            Some(Event::Stdout(chunk)) => stdout.extend_from_slice(&chunk.data),
            Some(Event::Exit(status)) => exit = Some(status),
            _ => {}
        }
        assert!(Instant::now() < deadline, "the exit never comes");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(exit, Some(code(4)));
    assert!(stdout.starts_with(&vec![0; 50_000]), "{} bytes", stdout.len());
}

#[tokio::test]
async fn input_reaches_the_process_and_its_end_too() {
    let bench = Bench::new().await;
    let mut request = shell("a", "cat");
    request.stdin = true;
    let data: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
    let mut messages: Vec<_> = data
        .chunks(limits::CHUNK)
        .map(|chunk| ExecStdin {
            execution_id: "a".into(),
            data: Bytes::copy_from_slice(chunk),
            ..ExecStdin::default()
        })
        .collect();
    messages.push(ExecStdin { eof: true, ..ExecStdin::default() });
    let mut client = bench.client.clone();
    let (outcome, ack) = tokio::join!(bench.run(request), client.send_input(tokio_stream::iter(messages)));
    assert_eq!(ack.expect("input").into_inner().accepted, 1_000_000);
    assert!(outcome.stdout == data);
}

#[tokio::test]
async fn input_to_a_process_that_does_not_read_is_no_error() {
    let bench = Bench::new().await;
    let mut request = shell("a", "exec <&-; sleep 0.2");
    request.stdin = true;
    let data = Bytes::from(vec![0; 60_000]);
    let messages: Vec<_> = (0..20)
        .map(|_| ExecStdin { execution_id: "a".into(), data: data.clone(), ..ExecStdin::default() })
        .collect();
    let mut client = bench.client.clone();
    let (outcome, ack) = tokio::join!(bench.run(request), client.send_input(tokio_stream::iter(messages)));
    assert!(ack.expect("input").into_inner().accepted < 20 * 60_000);
    assert_eq!(outcome.exit, code(0));
}

#[tokio::test]
async fn a_start_that_fails_says_how() {
    let bench = Bench::new().await;
    let cases = [
        ("no-such-command", "/", Kind::CommandNotFound),
        ("/no/such/file", "/", Kind::CommandNotFound),
        ("/etc", "/", Kind::PermissionDenied),
        ("", "/", Kind::Invalid),
        ("true", "/no/such/directory", Kind::NoSuchDirectory),
        ("true", "/etc/passwd", Kind::NoSuchDirectory),
    ];
    for (index, (command, cwd, kind)) in cases.into_iter().enumerate() {
        let id = format!("e{index}");
        let request =
            ExecRequest { command: command.into(), cwd: cwd.into(), args: vec![], ..shell(&id, "unused") };
        let response = bench.exec(request).await.expect("no RPC failure");
        let error = response.start_error.expect("a start error");
        assert_eq!((response.pid, error.kind()), (0, kind), "{command:?} in {cwd:?}: {}", error.message);
        let attached = bench.attach(&id, [0, 0]).await.expect_err("there is nothing to attach to");
        assert_eq!(attached.code(), Code::FailedPrecondition);
    }
    let ghost = ExecRequest { user: "no-such-user".into(), ..shell("ghost", "true") };
    assert_eq!(bench.exec(ghost).await.expect("answer").start_error.expect("error").kind(), Kind::NoSuchUser);
}

#[tokio::test]
async fn a_file_that_is_no_program_says_why() {
    let bench = Bench::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        path.to_str().expect("UTF-8").to_owned()
    };
    let mut foreign = b"\x7fELF\x02\x01\x01".to_vec();
    // Of machine 0x1234.
    foreign.extend([0; 9].into_iter().chain([2, 0, 0x34, 0x12, 1]).chain([0; 43]));
    let cases: [(String, Kind, &str); 6] = [
        (file("plain", b"echo hi\n"), Kind::NotExecutable, "exec format error"),
        (file("empty", b""), Kind::NotExecutable, "exec format error"),
        (file("foreign", &foreign), Kind::NotExecutable, "exec format error"),
        (file("windows", b"#!/bin/sh\r\necho hi\r\n"), Kind::NoInterpreter, "\"/bin/sh\\r\" does not exist"),
        (file("lost", b"#!/no/such/sh\n"), Kind::NoInterpreter, "\"/no/such/sh\" is not in the image"),
        (folder.path().to_str().expect("UTF-8").to_owned(), Kind::PermissionDenied, "it is a directory"),
    ];
    let path = format!("PATH=/no/such:{}", folder.path().display());
    for (index, (named, kind, text)) in cases.into_iter().enumerate() {
        let searched = Path::new(&named).file_name().and_then(OsStr::to_str).expect("a name").to_owned();
        for (how, command) in [("named", named), ("searched", searched)] {
            if kind == Kind::PermissionDenied && how == "searched" {
                continue;
            }
            let id = format!("{how}{index}");
            let request =
                ExecRequest { command, env: vec![path.clone()], args: vec![], ..shell(&id, "unused") };
            let error =
                bench.exec(request).await.expect("no RPC failure").start_error.expect("a start error");
            assert_eq!(error.kind(), kind, "{how}: {}", error.message);
            assert!(error.message.contains(text), "{how}: {}", error.message);
        }
    }
}

#[tokio::test]
async fn a_command_line_as_long_as_linux_takes_it_arrives_whole() {
    let bench = Bench::new().await;
    // Two bytes and nine for each of `sh`, `-c`, the script and its name, and some for the environment and the file's name.
    let count = (limits::COMMAND_LINE - 4096) / 64;
    let mut request = shell("a", "printf '%s %s\\n' $# ${#VARIABLE}");
    request.args.extend(["name".to_owned()].into_iter().chain(vec!["x".repeat(55); count]));
    let outcome = bench.run(request.clone()).await;
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), format!("{count} 0\n"));
    let longest = limits::ARGUMENT - 1 - "VARIABLE=".len();
    let env = vec![format!("VARIABLE={}", "x".repeat(longest))];
    let outcome = bench.run(ExecRequest { env, ..shell("b", "echo ${#VARIABLE}") }).await;
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), format!("{longest}\n"));
    // A little more is for the kernel to refuse.
    request.args.extend(vec!["x".repeat(55); 64]);
    let refused = bench.exec(ExecRequest { execution_id: "c".into(), ..request }).await.expect("answer");
    let error = refused.start_error.expect("a start error");
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.message.contains("2097152 in all"), "{}", error.message);
}

#[tokio::test]
async fn a_variable_is_unset_and_signal_0_checks_whether_it_runs() {
    let bench = Bench::new().await;
    let mut request = shell("a", "env");
    request.env = vec!["A=1".into()];
    request.unset = vec!["HOME".into(), "PATH".into()];
    let outcome = bench.run(ExecRequest { command: "env".into(), args: vec![], ..request }).await;
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), "A=1\n");
    bench.exec(shell("b", "sleep 60")).await.expect("exec");
    let kill = async |signal| {
        let request = KillRequest { execution_id: "b".into(), signal, all: false };
        bench.client.clone().kill(request).await.map(|answer| answer.into_inner().delivered)
    };
    assert!(kill(0).await.expect("kill"));
    assert_eq!(kill(-1).await.unwrap_err().code(), Code::InvalidArgument);
    bench.kill("b").await;
    bench.client.clone().wait(WaitRequest { execution_id: "b".into() }).await.expect("wait");
    assert!(!kill(0).await.expect("kill"));
}

#[tokio::test]
async fn an_environment_too_long_is_refused_by_the_kernel_and_explained() {
    let mut request = shell("a", "true");
    request.env = vec![format!("LONG={}", "x".repeat(200_000))];
    let response = Bench::new().await.exec(request).await.expect("answer");
    let error = response.start_error.expect("a start error");
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.message.contains("too long"), "{}", error.message);
}

#[tokio::test]
async fn kill_signals_the_whole_group_and_reports_an_ended_one() {
    let bench = Bench::new().await;
    let begun = Instant::now();
    bench.exec(shell("a", "sleep 60; echo never")).await.expect("exec");
    let kill = KillRequest { execution_id: "a".into(), signal: 15, all: false };
    let first = bench.client.clone().kill(kill.clone()).await.expect("kill").into_inner();
    let outcome = read_all(bench.attach("a", [0, 0]).await.expect("attach"), [0, 0]).await;
    let second = bench.client.clone().kill(kill).await.expect("kill").into_inner();
    assert_eq!((first.delivered, second.delivered, outcome.exit.signal), (true, false, 15));
    assert!(begun.elapsed() < Duration::from_secs(30));
    let bad = KillRequest { execution_id: "a".into(), signal: 99, all: false };
    assert_eq!(bench.client.clone().kill(bad).await.expect_err("no signal").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_timeout_ends_a_process_that_ignores_sigterm() {
    let bench = Bench::new().await;
    let mut meek = shell("meek", "sleep 60");
    meek.timeout_ms = 100;
    let mut stubborn = shell("stubborn", "trap '' TERM; while :; do sleep 0.1; done");
    stubborn.timeout_ms = 100;
    let (meek, stubborn) = tokio::join!(bench.run(meek), bench.run(stubborn));
    assert_eq!(meek.exit, ExitStatus { signal: 15, timed_out: true, ..ExitStatus::default() });
    assert_eq!(stubborn.exit, ExitStatus { signal: 9, timed_out: true, ..ExitStatus::default() });
}

#[tokio::test]
async fn a_terminal_is_one_with_a_size() {
    let mut request = shell("a", "test -t 0 && test -t 1 && stty size && echo $TERM");
    request.tty = Some(TtySize { cols: 81, rows: 25 });
    let outcome = Bench::new().await.run(request).await;
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), "25 81\r\nxterm\r\n");
    assert_eq!(outcome.exit, code(0));
}

#[tokio::test]
async fn processes_start_with_default_signals_and_no_stray_descriptors() {
    let script = "sed -n 's/^Sig\\(Blk\\|Ign\\)://p' /proc/self/status; ls /proc/self/fd";
    let outcome = Bench::new().await.run(shell("a", script)).await;
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let mut lines = text.lines();
    let mut mask = || u64::from_str_radix(lines.next().expect("a mask").trim(), 16).expect("hexadecimal");
    assert_eq!(mask(), 0, "no signal is blocked");
    let agents_own = 1 << (libc::SIGPIPE - 1) | 1 << (libc::SIGCHLD - 1);
    assert_eq!(mask() & agents_own, 0, "what the agent ignores is its own affair");
    // 0, 1, 2, and the directory that ls itself reads.
    assert_eq!(lines.collect::<Vec<_>>(), ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn many_at_once_and_no_zombies() {
    let bench = Bench::new().await;
    let runs = (0..40).map(|index| {
        let bench = &bench;
        async move {
            (index, bench.run(shell(&format!("e{index}"), &format!("echo {index}; exit {index}"))).await)
        }
    });
    for (index, outcome) in futures::future::join_all(runs).await {
        assert_eq!(outcome.exit, code(index));
        assert_eq!(String::from_utf8_lossy(&outcome.stdout).trim(), index.to_string());
    }
    let zygote =
        bench.run(shell("ppid", "ps -o stat= --ppid $PPID || cat /proc/$PPID/task/*/children")).await;
    assert!(!String::from_utf8_lossy(&zygote.stdout).contains('Z'), "{zygote:?}");
}
