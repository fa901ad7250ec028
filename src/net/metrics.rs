//! The counters of a box's network. Every part of a backend adds to them without a lock; `control` reads them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use boxlite_spec::network::control::NetworkMetrics;
use tokio::sync::Notify;

/// Counters since the box's start.
#[derive(Debug, Default)]
pub struct Counters {
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    received_packets: AtomicU64,
    sent_packets: AtomicU64,
    connections: AtomicU64,
    connections_total: AtomicU64,
    refusals: AtomicU64,
    dns_queries: AtomicU64,
    dropped_packets: AtomicU64,
    /// Whether something was counted since [`Counters::take`].
    changed: AtomicBool,
    change: Notify,
}

impl Counters {
    fn add(&self, counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Relaxed);
        self.note();
    }

    fn note(&self) {
        if !self.changed.load(Relaxed) && !self.changed.swap(true, Relaxed) {
            self.change.notify_one();
        }
    }

    /// Waits until something is counted. For one reader, which then takes them.
    pub(crate) async fn changed(&self) {
        self.change.notified().await;
    }

    /// Reads every counter; what is counted from now on is a change.
    pub(crate) fn take(&self) -> NetworkMetrics {
        self.changed.store(false, Relaxed);
        self.read()
    }

    /// Counts a frame to the box.
    pub fn count_received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Relaxed);
        self.add(&self.received_packets, 1);
    }

    /// Counts a frame from the box.
    pub fn count_sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Relaxed);
        self.add(&self.sent_packets, 1);
    }

    /// Counts a connection that has been opened.
    pub fn count_opened(&self) {
        self.connections.fetch_add(1, Relaxed);
        self.add(&self.connections_total, 1);
    }

    /// Counts the end of a connection.
    pub fn count_closed(&self) {
        self.connections.fetch_sub(1, Relaxed);
        self.note();
    }

    /// Counts a connection that is being opened by a backend that tells by itself how many are open.
    pub(crate) fn count_opening(&self) {
        self.add(&self.connections_total, 1);
    }

    /// Counts how many more connections such a backend has open than before.
    pub(crate) fn count_open(&self, more: i64) {
        // In two's complement, adding a negative number takes away.
        self.connections.fetch_add(more.cast_unsigned(), Relaxed);
        self.note();
    }

    /// The number of connections that are open now.
    pub fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    /// Counts something that was refused.
    pub fn count_refusal(&self) {
        self.add(&self.refusals, 1);
    }

    /// Counts a DNS query.
    pub fn count_dns_query(&self) {
        self.add(&self.dns_queries, 1);
    }

    /// Counts a frame from the box that was dropped, since it is malformed, of no protocol that is served, or from an address that is not
    /// the box's.
    pub fn count_dropped(&self) {
        self.add(&self.dropped_packets, 1);
    }

    /// Reads every counter.
    pub fn read(&self) -> NetworkMetrics {
        NetworkMetrics {
            received_bytes: self.received_bytes.load(Relaxed),
            sent_bytes: self.sent_bytes.load(Relaxed),
            received_packets: self.received_packets.load(Relaxed),
            sent_packets: self.sent_packets.load(Relaxed),
            connections: self.connections.load(Relaxed),
            connections_total: self.connections_total.load(Relaxed),
            refusals: self.refusals.load(Relaxed),
            dns_queries: self.dns_queries.load(Relaxed),
            dropped_packets: self.dropped_packets.load(Relaxed),
        }
    }
}
