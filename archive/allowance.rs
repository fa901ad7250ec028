//! `Allowance`: how much more an archive may bring. Spent by `unpack` and `receive` for contents and by `destination` for entries,
//! before the thing is made.

use crate::{Error, Result};

/// See the module.
#[derive(Debug)]
pub(crate) struct Allowance {
    what: &'static str,
    most: u64,
    left: u64,
}

impl Allowance {
    /// `most` of `what`; any number without.
    pub(crate) fn new(what: &'static str, most: Option<u64>) -> Self {
        let most = most.unwrap_or(u64::MAX);
        Self { what, most, left: most }
    }

    /// Takes `count` of it, or none and fails.
    pub(crate) fn spend(&mut self, count: u64) -> Result<()> {
        let exceeded = Error::Exceeded { what: self.what, most: self.most };
        self.left = self.left.checked_sub(count).ok_or(exceeded)?;
        Ok(())
    }
}
