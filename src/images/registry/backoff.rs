//! When to try again: pauses that double, with jitter, or what the registry's `Retry-After` says. Called by `client`
//! for requests and by `fetch` for blobs.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use crate::{Error, error::Retry};

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);
/// A registry may ask for more than a caller can be expected to wait.
const LONGEST_ASKED: Duration = Duration::from_mins(1);

/// The attempts of one operation.
#[derive(Debug)]
pub(crate) struct Backoff {
    left: u32,
    pause: Duration,
    attempts: u32,
}

impl Backoff {
    pub(crate) fn new(attempts: u32) -> Self {
        Self { left: attempts.saturating_sub(1), pause: FIRST, attempts }
    }

    /// Waits before the next attempt, or gives the error back if there is none.
    pub(crate) async fn wait(&mut self, error: Error) -> Result<(), Error> {
        let pause = match error.retry() {
            Retry::Soon => jitter(self.pause),
            Retry::After(asked) if asked <= LONGEST_ASKED => asked.max(jitter(FIRST)),
            Retry::Never | Retry::Elsewhere | Retry::After(_) => return Err(error),
        };
        let Some(left) = self.left.checked_sub(1) else {
            return Err(error);
        };
        tracing::debug!(%error, ?pause, left, "trying again");
        self.left = left;
        self.pause = (self.pause * 2).min(LONGEST);
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Something moved: count from the start again.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.attempts);
    }
}

/// Between half and all of `pause`, so that many clients don't come back at the same moment.
fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1024;
    pause / 2 + pause * u32::try_from(random).unwrap_or(0) / 2048
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[tokio::test(start_paused = true)]
    async fn only_passing_errors_are_tried_again_and_not_for_ever() {
        let lasting = || Error::new(ErrorKind::NotFound, "gone");
        let passing = || Error::new(ErrorKind::RegistryUnreachable, "away").transient(None);
        let mut backoff = Backoff::new(3);
        assert_eq!(backoff.wait(lasting()).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(backoff.wait(passing()).await.is_ok());
        assert!(backoff.wait(passing()).await.is_ok());
        assert_eq!(backoff.wait(passing()).await.unwrap_err().kind(), ErrorKind::RegistryUnreachable);
        backoff.reset();
        assert!(backoff.wait(passing()).await.is_ok());
    }

    #[test]
    fn jitter_is_between_half_and_all_of_a_pause() {
        let pauses: Vec<_> = (0..200).map(|_| jitter(LONGEST)).collect();
        assert!(pauses.iter().all(|&pause| pause >= LONGEST / 2 && pause <= LONGEST), "{pauses:?}");
        // All on one side happens to one run in 2^199.
        assert!(pauses.iter().any(|&pause| pause < LONGEST * 3 / 4), "{pauses:?}");
        assert!(pauses.iter().any(|&pause| pause >= LONGEST * 3 / 4), "{pauses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new(12);
        let mut whole = FIRST;
        for _ in 0..11 {
            let start = tokio::time::Instant::now();
            let passing = Error::new(ErrorKind::RegistryUnreachable, "away").transient(None);
            backoff.wait(passing).await.unwrap();
            let pause = start.elapsed();
            // tokio's timers round up to a millisecond.
            assert!(
                pause >= whole / 2 && pause <= whole + Duration::from_millis(2),
                "{pause:?} of {whole:?}"
            );
            whole = (whole * 2).min(LONGEST);
        }
        assert_eq!(whole, LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn the_registry_may_ask_for_a_pause() {
        let asking = |seconds| {
            Error::new(ErrorKind::RateLimited, "slow down").transient(Some(Duration::from_secs(seconds)))
        };
        let start = tokio::time::Instant::now();
        assert!(Backoff::new(2).wait(asking(7)).await.is_ok());
        assert!(start.elapsed() >= Duration::from_secs(7));
        let error = Backoff::new(2).wait(asking(3600)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
    }
}
