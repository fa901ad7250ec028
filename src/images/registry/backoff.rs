//! When to try again: pauses that double, with jitter, or what the registry's `Retry-After` says. Called by `repository` for
//! manifests and by `transfer` for blobs.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::error::{Error, Retry};

/// The first pause, and the longest, which jitter doubles at most, so that many clients don't come back at the same moment.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// A registry may ask for more than a caller can be expected to wait.
const LONGEST_ASKED: Duration = Duration::from_mins(1);

/// The attempts of one operation.
#[derive(Debug)]
pub(crate) struct Backoff {
    attempts: u32,
    pauses: ExponentialBackoff,
}

impl Backoff {
    pub(crate) fn new(attempts: u32) -> Self {
        let retries = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let pauses = ExponentialBuilder::new().with_min_delay(FIRST).with_max_delay(LONGEST).with_jitter();
        Self { attempts, pauses: pauses.with_max_times(retries).build() }
    }

    /// Waits before the next attempt, or gives the error back if there is none.
    pub(crate) async fn wait(&mut self, error: Error) -> Result<(), Error> {
        let asked = match error.retry {
            Retry::Soon => None,
            Retry::After(asked) if asked <= LONGEST_ASKED => Some(asked.max(FIRST)),
            _ => return Err(error),
        };
        let Some(pause) = self.pauses.next() else { return Err(error) };
        let pause = asked.unwrap_or(pause);
        tracing::debug!(%error, ?pause, "trying again");
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Something moved: count from the start again.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.attempts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxlite_error::ErrorCode;

    #[tokio::test(start_paused = true)]
    async fn only_passing_errors_are_tried_again_and_not_for_ever() {
        let lasting = || Error::new(ErrorCode::ImageNotFound, "gone");
        let passing = || Error::new(ErrorCode::RegistryUnreachable, "away").transient(None);
        let mut backoff = Backoff::new(3);
        assert_eq!(backoff.wait(lasting()).await.unwrap_err().code(), ErrorCode::ImageNotFound);
        assert!(backoff.wait(passing()).await.is_ok());
        assert!(backoff.wait(passing()).await.is_ok());
        assert_eq!(backoff.wait(passing()).await.unwrap_err().code(), ErrorCode::RegistryUnreachable);
        backoff.reset();
        assert!(backoff.wait(passing()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new(12);
        let mut whole = FIRST;
        for _ in 0..11 {
            let start = tokio::time::Instant::now();
            let passing = Error::new(ErrorCode::RegistryUnreachable, "away").transient(None);
            backoff.wait(passing).await.unwrap();
            let pause = start.elapsed();
            // tokio's timers round up to a millisecond.
            assert!(
                pause >= whole && pause <= whole * 2 + Duration::from_millis(2),
                "{pause:?} of {whole:?}"
            );
            whole = (whole * 2).min(LONGEST);
        }
        assert_eq!(whole, LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn the_registry_may_ask_for_a_pause() {
        let asking = |seconds| {
            Error::new(ErrorCode::RegistryRateLimited, "slow down")
                .transient(Some(Duration::from_secs(seconds)))
        };
        let start = tokio::time::Instant::now();
        assert!(Backoff::new(2).wait(asking(7)).await.is_ok());
        assert!(start.elapsed() >= Duration::from_secs(7));
        let error = Backoff::new(2).wait(asking(3600)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::RegistryRateLimited);
    }
}
