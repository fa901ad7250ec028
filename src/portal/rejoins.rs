//! `Rejoins`: how often a call that lost its connection is made again. Used by every call that can go on where it was.

use tonic::Status;

use crate::status::is_lost;

/// How often in a row a lost connection is made again for one call.
const MOST: u32 = 3;

/// Counts connections that were lost in a row.
#[derive(Debug, Default)]
pub(crate) struct Rejoins(u32);

impl Rejoins {
    /// Whether a call that failed with `failure` is to be made again.
    pub(crate) fn admit(&mut self, failure: &Status) -> bool {
        let admits = is_lost(failure) && self.0 < MOST;
        self.0 += u32::from(admits);
        admits
    }

    /// Begins anew, since the last connection was good for something.
    pub(crate) fn reset(&mut self) {
        self.0 = 0;
    }
}
