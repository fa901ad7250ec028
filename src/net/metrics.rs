//! The counters of a box's network. Every part of a backend adds to them without a lock; `control` reads them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use boxlite_spec::network::control::NetworkMetrics;

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
}

impl Counters {
    /// Counts a frame to the box.
    pub fn count_received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Relaxed);
        self.received_packets.fetch_add(1, Relaxed);
    }

    /// Counts a frame from the box.
    pub fn count_sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Relaxed);
        self.sent_packets.fetch_add(1, Relaxed);
    }

    /// Counts a connection that has been opened.
    pub fn count_opened(&self) {
        self.connections.fetch_add(1, Relaxed);
        self.connections_total.fetch_add(1, Relaxed);
    }

    /// Counts the end of a connection.
    pub fn count_closed(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    /// The number of connections that are open now.
    pub fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    /// Counts something that was refused.
    pub fn count_refusal(&self) {
        self.refusals.fetch_add(1, Relaxed);
    }

    /// Counts a DNS query.
    pub fn count_dns_query(&self) {
        self.dns_queries.fetch_add(1, Relaxed);
    }

    /// Counts a frame from the box that was dropped, since it is malformed, of no protocol that is served, or from an address that is not
    /// the box's.
    pub fn count_dropped(&self) {
        self.dropped_packets.fetch_add(1, Relaxed);
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
