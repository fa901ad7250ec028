//! The connection to the guest breaks again and again, and nothing is lost, nothing is said twice, nothing is started twice.

use std::{
    fs,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use boxlite_error::{BoxliteError, ErrorCode};
use boxlite_portal::{ExecOptions, ReadOptions, WriteOptions};
use boxlite_wire::limits;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, split};

use crate::{
    duplex::{
        machine_over,
        property::{Random, text},
        real::{collect, server, shell},
        spawn,
    },
    litebox::{
        executions::execution::Execution,
        files::{stream::FileStream, writer::FileWriter},
        lifecycle::machine::Machine,
    },
};

/// A guest each of whose connections breaks after as many bytes, both ways together, as `budget` says; and how many did.
async fn cut(mut budget: impl FnMut() -> usize + Send + 'static) -> (Arc<Machine>, Arc<AtomicUsize>) {
    let server = server(None).await;
    let cuts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&cuts);
    let machine = machine_over(move || {
        let (host, near) = tokio::io::duplex(64 * 1024);
        let (far, guest) = tokio::io::duplex(64 * 1024);
        let server = server.clone();
        tokio::spawn(async move { server.serve(guest).await });
        let (left, counted) = (AtomicUsize::new(budget()), Arc::clone(&counted));
        tokio::spawn(async move {
            relay(near, far, &left).await;
            counted.fetch_add(1, Ordering::Relaxed);
        });
        Ok(host)
    });
    (machine, cuts)
}

/// The first three connections break after so many bytes, the others hold.
fn thrice(seed: u64, bytes: Range<u64>) -> impl FnMut() -> usize {
    let mut random = Random::new(seed);
    let mut connections = 0;
    move || {
        connections += 1;
        if connections > 3 {
            return usize::MAX;
        }
        usize::try_from(bytes.start + random.below(bytes.end - bytes.start)).unwrap()
    }
}

async fn relay(near: DuplexStream, far: DuplexStream, left: &AtomicUsize) {
    let ((near_in, near_out), (far_in, far_out)) = (split(near), split(far));
    tokio::select! {
        () = copy(near_in, far_out, left) => {}
        () = copy(far_in, near_out, left) => {}
    }
}

/// Until `left` is used up, in the middle of whatever is said.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, left: &AtomicUsize) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let most = left.load(Ordering::Relaxed).min(count);
        left.fetch_sub(most, Ordering::Relaxed);
        if to.write_all(&bytes[..most]).await.is_err() || most < count {
            return;
        }
    }
}

async fn feed(execution: Execution, total: usize) {
    for start in (0..total).step_by(200_000) {
        execution.write(text(start, 200_000.min(total - start))).await.unwrap();
    }
    execution.close_stdin().await.unwrap();
}

#[tokio::test]
async fn input_and_output_go_on_where_they_were() {
    const TOTAL: usize = 8_000_000;
    for seed in 0..4 {
        let mut random = Random::new(seed);
        // More than a feed says again each time.
        let (machine, cuts) =
            cut(move || usize::try_from(3_000_000 + random.below(3_000_000)).unwrap()).await;
        let mut options = shell("tee /dev/stderr");
        options.stdin = true;
        let execution = spawn(&machine, options).await.unwrap();
        let feeding = tokio::spawn(feed(execution.clone(), TOTAL));
        let (stdout, stderr, exit) = collect(&execution).await;
        feeding.await.unwrap();
        let expected = text(0, TOTAL);
        assert!(stdout == expected, "seed {seed}: stdout: {} bytes", stdout.len());
        assert!(stderr == expected, "seed {seed}: stderr: {} bytes", stderr.len());
        assert_eq!(exit.code, Some(0), "seed {seed}");
        assert!(cuts.load(Ordering::Relaxed) >= 4, "seed {seed}: {cuts:?}");
    }
}

#[tokio::test]
async fn a_command_is_started_once_and_heard_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut lost = 0;
    for seed in 0..60 {
        // The handshake takes some hundred bytes, a command's start and output as many.
        let (machine, cuts) = cut(thrice(seed, 50..950)).await;
        let mark = folder.path().join(seed.to_string());
        let options = shell(&format!("echo x >> {}; seq 300; exit 7", mark.display()));
        let execution = spawn(&machine, options).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(execution.pid() > 0);
        let (stdout, _, exit) = collect(&execution).await;
        let expected = (1..=300).fold(String::new(), |text, line| format!("{text}{line}\n"));
        assert_eq!(
            (String::from_utf8_lossy(&stdout).as_ref(), exit.code),
            (&*expected, Some(7)),
            "seed {seed}"
        );
        assert_eq!(execution.wait().await.unwrap(), exit, "seed {seed}");
        assert_eq!(fs::read_to_string(&mark).unwrap(), "x\n", "seed {seed}");
        lost += cuts.load(Ordering::Relaxed);
    }
    assert!(lost > 60, "{lost}");
}

#[tokio::test]
async fn hundreds_at_once_are_heard_whole_when_all_lose_their_connection() {
    for seed in 0..3 {
        let (machine, cuts) = cut(thrice(seed, 2_000..22_000)).await;
        let all = (0..200).map(|number| {
            let machine = Arc::clone(&machine);
            async move {
                let line = format!("echo {number}; echo {number} >&2; exit {}", number % 256);
                let execution = spawn(&machine, shell(&line)).await.unwrap();
                let (stdout, stderr, exit) = collect(&execution).await;
                let expected = format!("{number}\n").into_bytes();
                assert_eq!((stdout, stderr, exit.code), (expected.clone(), expected, Some(number % 256)));
            }
        });
        futures::future::join_all(all).await;
        assert!(cuts.load(Ordering::Relaxed) > 0, "seed {seed}");
    }
}

#[tokio::test]
async fn one_that_was_found_is_read_from_the_oldest_bytes_of_each_stream() {
    for seed in 0..6 {
        let mut random = Random::new(seed);
        let mut connections = 0;
        let (machine, cuts) = cut(move || {
            connections += 1;
            match connections {
                // Room for the start and the wait.
                1 => 4000,
                2 | 3 => usize::try_from(500 + random.below(600_000)).unwrap(),
                _ => usize::MAX,
            }
        })
        .await;
        let interface = machine.session.execution();
        let line = "head -c 3000000 /dev/zero >&2; head -c 2000000 /dev/zero; echo out";
        let options = ExecOptions { detached: true, ..shell(line) };
        let pid = interface.start("found", &options).await.unwrap();
        interface.wait("found").await.unwrap();
        let output = interface.output("found");
        let machine = Arc::clone(&machine);
        let found = Execution::new(machine, Arc::default(), "found".into(), pid, output, true, 0);
        let (stdout, stderr, exit) = collect(&found).await;
        assert_eq!(
            (stdout.len(), stderr.len(), exit.code),
            (limits::REPLAY, limits::REPLAY, Some(0)),
            "seed {seed}"
        );
        assert!(stdout.ends_with(b"\0out\n"), "seed {seed}");
        assert_eq!(cuts.load(Ordering::Relaxed), 3, "seed {seed}");
    }
}

#[tokio::test]
async fn a_file_that_breaks_off_is_an_error_and_never_short() {
    const TOTAL: usize = 4_000_000;
    let folder = tempfile::tempdir().unwrap();
    let [there, copy] = ["there", "copy"].map(|name| folder.path().join(name));
    let whole = text(0, TOTAL);
    fs::write(&there, &whole).unwrap();
    let mut reached = 0;
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let (machine, _) = cut(move || usize::try_from(2_000 + random.below(3_000_000)).unwrap()).await;
        let interface = machine.session.files();
        let reading = async {
            let chunks = interface.read(there.as_path().into(), ReadOptions::default()).await?;
            let reader = FileStream::new(Arc::clone(&machine), chunks);
            let mut read = Vec::new();
            while let Some(data) = reader.next().await? {
                read.extend_from_slice(&data);
                assert!(whole.starts_with(&read), "seed {seed}");
                reached = reached.max(read.len());
            }
            Ok::<_, BoxliteError>(())
        };
        assert_eq!(reading.await.unwrap_err().code(), ErrorCode::PortalLost, "seed {seed}");
        let writing = async {
            let (target, options) = (copy.as_path().into(), WriteOptions::default());
            let writer = FileWriter::begin(Arc::clone(&machine), interface.clone(), target, options);
            for start in (0..TOTAL).step_by(100_000) {
                writer.push(whole.slice(start..start + 100_000)).await?;
            }
            writer.finish().await
        };
        assert_eq!(writing.await.unwrap_err().code(), ErrorCode::PortalLost, "seed {seed}");
        let written = fs::read(&copy).unwrap_or_default();
        assert!(whole.starts_with(&written), "seed {seed}: {} bytes", written.len());
    }
    assert!(reached > 1_000_000, "{reached}");
}

#[tokio::test]
async fn a_guest_that_can_not_be_reached_is_an_error_and_not_for_ever() {
    let (machine, _) = cut(|| 50).await;
    let error = spawn(&machine, shell("true")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PortalLost);
    let output = machine.session.execution().output("x");
    let execution = Execution::new(Arc::clone(&machine), Arc::default(), "x".into(), 1, output, true, 0);
    let error = async {
        for start in (0..4_000_000).step_by(100_000) {
            execution.write(text(start, 100_000)).await?;
        }
        execution.close_stdin().await
    };
    assert_eq!(error.await.unwrap_err().code(), ErrorCode::PortalLost);
    assert_eq!(execution.wait().await.unwrap_err().code(), ErrorCode::PortalLost);
}
