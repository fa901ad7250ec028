//! Whatever the sizes, the pauses and the end: what comes out is what went in, or the first part of it.

use std::time::Duration;

use boxlite_portal::{ExecEvent, ExecOptions};
use bytes::Bytes;

use crate::{
    duplex::{
        real::{collect, guest, shell},
        spawn,
    },
    litebox::executions::execution::Execution,
};

/// Xorshift: a failure names its seed, which makes it happen again.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed + 1))
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Now and then some milliseconds.
    async fn pause(&mut self) {
        if self.below(8) == 0 {
            tokio::time::sleep(Duration::from_millis(self.below(12))).await;
        }
    }
}

/// The byte at each position of the test's endless text.
pub(super) fn text(from: usize, length: usize) -> Bytes {
    (from..from + length).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap_or(0)).collect()
}

/// Writes the text in pieces of any size; answers how much.
async fn feed(execution: Execution, seed: u64) -> usize {
    let mut random = Random::new(seed);
    let (mut sent, total) = (0, usize::try_from(random.below(900_000)).unwrap());
    while sent < total {
        let piece =
            usize::try_from(1 + random.below([7, 3_000, 200_000][usize::try_from(seed % 3).unwrap()]))
                .unwrap();
        let piece = piece.min(total - sent);
        execution.write(text(sent, piece)).await.unwrap();
        sent += piece;
        random.pause().await;
        if seed.is_multiple_of(3) && sent > 3_000 {
            break;
        }
    }
    execution.close_stdin().await.unwrap();
    sent
}

#[tokio::test]
async fn what_goes_in_comes_out_of_both_streams() {
    let machine = guest().await;
    for seed in 0..24 {
        // One copy to each stream, in writes of any size.
        let mut options = shell("tee /dev/stderr");
        options.stdin = true;
        let execution = spawn(&machine, options).await.unwrap();
        let feeding = tokio::spawn(feed(execution.clone(), seed));
        let mut random = Random::new(seed ^ 0xFF);
        let (mut stdout, mut stderr, mut exit) = (vec![], vec![], None);
        let max = usize::try_from(1 + random.below(300_000)).unwrap();
        while let Some(events) = execution.recv(max).await.unwrap() {
            for event in events {
                match event {
                    ExecEvent::Stdout(data) => stdout.extend_from_slice(&data),
                    ExecEvent::Stderr(data) => stderr.extend_from_slice(&data),
                    ExecEvent::Exit(status) => exit = Some(status),
                }
            }
            random.pause().await;
        }
        let sent = feeding.await.unwrap();
        let expected = text(0, sent);
        assert!(stdout == expected, "seed {seed}: stdout: {} of {sent} bytes", stdout.len());
        assert!(stderr == expected, "seed {seed}: stderr: {} of {sent} bytes", stderr.len());
        assert_eq!(exit.and_then(|exit| exit.code), Some(0), "seed {seed}");
    }
}

#[tokio::test]
async fn a_kill_at_any_time_leaves_the_first_part() {
    let machine = guest().await;
    for seed in 0..16 {
        let mut options = ExecOptions::new("/bin/cat", [] as [&str; 0]);
        options.stdin = true;
        let execution = spawn(&machine, options).await.unwrap();
        let feeding = tokio::spawn(feed(execution.clone(), seed));
        let killer = execution.clone();
        let killing = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(Random::new(seed).below(25))).await;
            killer.kill(9).await.unwrap()
        });
        let (stdout, _, exit) = collect(&execution).await;
        let sent = feeding.await.unwrap();
        killing.await.unwrap();
        assert!(
            stdout.len() <= sent && text(0, sent).starts_with(&stdout),
            "seed {seed}: {} bytes",
            stdout.len()
        );
        assert!(exit.signal == Some(9) || exit.code == Some(0), "seed {seed}: {exit:?}");
    }
}
