//! `Lives`: how many flows of datagrams there may be, and for how long. Read by `flows` and its `table`; tests choose shorter ones.

use std::time::Duration;

/// How many flows there may be, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lives {
    /// Most flows at one time. The least recently used are given up for others.
    pub(super) most: usize,
    /// Most idents of ICMP echo at one time.
    pub(super) most_echoes: usize,
    /// How long a flow may be idle.
    pub(super) idle: Duration,
    /// How long a flow to a name server may be idle after its answer. Resolvers take a port for each query.
    pub(super) answered: Duration,
    /// How often it is looked for flows that have ended.
    pub(super) look: Duration,
    /// How long a flow may wait for its beginning.
    pub(super) wait: Duration,
}

impl Default for Lives {
    fn default() -> Self {
        Self {
            most: 4096,
            most_echoes: 64,
            idle: Duration::from_mins(1),
            answered: Duration::from_secs(5),
            look: Duration::from_secs(1),
            wait: Duration::from_secs(30),
        }
    }
}
