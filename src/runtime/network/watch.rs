//! `NetworkWatch`: what this process learns of the network of a running machine from its shim: refusals, which become events, and
//! counters, which are also added to the totals of the runtime. Part of a `Machine`; called by `litebox/observation`.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_spec::network::{
    control::{NetworkMetrics, Reply, Request},
    rule::Policy,
    secret::SecretSpec,
};
use tokio::{runtime::Handle, sync::Mutex};

use crate::{
    events::{EventKind, bus::EventBus},
    home::metrics::RuntimeMetrics,
    litebox::network::control::{Control, RefusalStream},
    state::clock::now_ms,
};

/// The pause before a broken stream of refusals is opened again. It doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Most bytes of the shim's record.
const RECORD_MAX: usize = 4096;

/// Watches the network of one machine.
#[derive(Debug)]
pub(crate) struct NetworkWatch {
    box_id: String,
    bus: Arc<EventBus>,
    control: Control,
    watched: AtomicBool,
    /// Where the shim keeps the counters. It is open from the start on, since whoever removes the box removes its files.
    record: Option<File>,
    /// What was last added to the totals.
    counted: Mutex<NetworkMetrics>,
}

impl NetworkWatch {
    /// A watch of the machine that runs now, whose shim keeps its counters in the file `record`.
    pub(crate) fn new(box_id: &str, bus: &Arc<EventBus>, control: Control, record: &Path) -> Arc<Self> {
        Arc::new(Self {
            box_id: box_id.to_owned(),
            bus: Arc::clone(bus),
            control,
            watched: AtomicBool::new(false),
            // A shim of an older version keeps none.
            record: File::open(record).ok(),
            counted: Mutex::default(),
        })
    }

    /// Starts a task on `runtime` that sends refusals to the bus, unless one does. It ends when `ended` resolves.
    pub(crate) fn watch(
        self: &Arc<Self>,
        runtime: &Handle,
        ended: impl Future<Output = ()> + Send + 'static,
    ) {
        if self.watched.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = Arc::clone(self);
        runtime.spawn(async move {
            tokio::select! {
                () = this.follow() => {}
                () = ended => {}
            }
            // A later call of `watch` starts anew.
            this.watched.store(false, Ordering::Release);
        });
    }

    async fn follow(&self) {
        let mut pause = FIRST_PAUSE;
        // What was refused before this process was connected is told too, but nothing from before somebody read.
        let mut since_ms = self.bus.read_since_ms();
        loop {
            if let Err(error) = self.follow_once(&mut since_ms).await {
                tracing::debug!(box_id = self.box_id, %error, "the refusals of the network broke off");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Follows until the connection ends, which is the moment from which on the next one goes on.
    async fn follow_once(&self, since_ms: &mut u64) -> BoxliteResult<()> {
        let mut refusals = self.control.refusals(*since_ms).await?;
        let ended = self.pass_on(&mut refusals).await;
        *since_ms = now_ms();
        ended
    }

    async fn pass_on(&self, refusals: &mut RefusalStream) -> BoxliteResult<()> {
        while let Some(refusal) = refusals.next().await? {
            tracing::info!(
                box_id = self.box_id,
                address = refusal.address.map(tracing::field::display),
                port = refusal.port,
                protocol = refusal.protocol.as_str(),
                name = refusal.name,
                rule = refusal.rule,
                count = refusal.count,
                "the network refused"
            );
            self.bus.emit(Some(&self.box_id), || EventKind::Network(refusal));
        }
        Ok(())
    }

    /// Reads the counters, and adds what is new in them to `totals`.
    ///
    /// # Errors
    /// `PORTAL_LOST` if the shim does not answer.
    pub(crate) async fn metrics(&self, totals: &RuntimeMetrics) -> BoxliteResult<NetworkMetrics> {
        // Held over the question, so that an older answer is never taken for a newer one.
        let mut counted = self.counted.lock().await;
        let what = "measure the network";
        let Reply::Metrics { metrics } = self.control.ask(what, &Request::Metrics).await? else {
            return Err(unexpected(what));
        };
        totals.count(|counters| add_difference(&mut counters.network, &counted, &metrics));
        *counted = metrics;
        Ok(metrics)
    }

    /// What the shim has recorded last.
    fn recorded(&self) -> Option<NetworkMetrics> {
        let mut text = [0; RECORD_MAX];
        let count = self.record.as_ref()?.read_at(&mut text, 0).ok()?;
        serde_json::from_slice(&text[..count]).ok()
    }

    /// Replaces the policy of the running machine.
    ///
    /// # Errors
    /// `PORTAL_LOST` if the shim does not answer; `NETWORK_FAILED` if it refuses.
    pub(crate) async fn set_policy(&self, policy: Policy) -> BoxliteResult<()> {
        self.tell("change the policy", &Request::SetPolicy { policy }).await
    }

    /// Replaces the secrets of the running machine.
    ///
    /// # Errors
    /// Those of [`set_policy`](Self::set_policy).
    pub(crate) async fn set_secrets(&self, secrets: Vec<SecretSpec>) -> BoxliteResult<()> {
        self.tell("change the secrets", &Request::SetSecrets { secrets }).await
    }

    /// The certificate of the authority of a machine that has secrets.
    ///
    /// # Errors
    /// Those of [`set_policy`](Self::set_policy).
    pub(crate) async fn authority(&self) -> BoxliteResult<String> {
        self.control.authority().await
    }

    async fn tell(&self, what: &str, request: &Request) -> BoxliteResult<()> {
        match self.control.ask(what, request).await? {
            Reply::Done => Ok(()),
            _ => Err(unexpected(what)),
        }
    }

    /// Adds to `totals` what passed since the counters of the machine, which has ended, were read last, and takes its connections out of
    /// those that are open.
    pub(crate) async fn ended(&self, totals: &RuntimeMetrics) {
        let mut counted = self.counted.lock().await;
        let recorded = self.recorded().unwrap_or_default();
        let last = NetworkMetrics { connections: 0, ..latest(&counted, &recorded) };
        totals.count(|counters| add_difference(&mut counters.network, &counted, &last));
        *counted = last;
    }
}

/// The larger of each two counters, since neither reading need be the later one.
fn latest(one: &NetworkMetrics, other: &NetworkMetrics) -> NetworkMetrics {
    NetworkMetrics {
        received_bytes: one.received_bytes.max(other.received_bytes),
        sent_bytes: one.sent_bytes.max(other.sent_bytes),
        received_packets: one.received_packets.max(other.received_packets),
        sent_packets: one.sent_packets.max(other.sent_packets),
        connections: one.connections.max(other.connections),
        connections_total: one.connections_total.max(other.connections_total),
        refusals: one.refusals.max(other.refusals),
        dns_queries: one.dns_queries.max(other.dns_queries),
        dropped_packets: one.dropped_packets.max(other.dropped_packets),
    }
}

fn unexpected(what: &str) -> BoxliteError {
    // Not the answer itself, which may be long.
    BoxliteError::new(ErrorCode::Internal, format!("{what}: the shim has answered something else"))
}

/// Adds what `now` has more than `before`.
fn add_difference(total: &mut NetworkMetrics, before: &NetworkMetrics, now: &NetworkMetrics) {
    // A pattern, so that no counter is forgotten.
    let NetworkMetrics {
        received_bytes,
        sent_bytes,
        received_packets,
        sent_packets,
        connections,
        connections_total,
        refusals,
        dns_queries,
        dropped_packets,
    } = total;
    for (total, before, now) in [
        (received_bytes, before.received_bytes, now.received_bytes),
        (sent_bytes, before.sent_bytes, now.sent_bytes),
        (received_packets, before.received_packets, now.received_packets),
        (sent_packets, before.sent_packets, now.sent_packets),
        (connections, before.connections, now.connections),
        (connections_total, before.connections_total, now.connections_total),
        (refusals, before.refusals, now.refusals),
        (dns_queries, before.dns_queries, now.dns_queries),
        (dropped_packets, before.dropped_packets, now.dropped_packets),
    ] {
        // Connections may have become fewer.
        *total = total.saturating_add(now).saturating_sub(before);
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::UnixListener,
    };

    use super::*;
    use crate::shim::socket::BoxSocket;

    fn watch(folder: &Path) -> (Arc<NetworkWatch>, Arc<EventBus>, UnixListener) {
        let socket = BoxSocket::new(folder, "control.sock");
        let listener = UnixListener::from_std(socket.listen().unwrap()).unwrap();
        let bus = Arc::new(EventBus::default());
        let record = folder.join("network.json");
        (NetworkWatch::new("b", &bus, Control::new("b", socket), &record), bus, listener)
    }

    #[tokio::test]
    async fn network_pitfalls_hidden_refusals_each_is_an_event_also_after_a_broken_connection() {
        let folder = tempfile::tempdir().unwrap();
        let (watch, bus, listener) = watch(folder.path());
        let began = now_ms();
        let events = bus.read(None);
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let ended = async {
            let _ = ended.await;
        };
        // A while passes before it is connected.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let connecting = now_ms();
        watch.watch(&Handle::current(), ended);
        let mut wanted = began;
        for count in [1, 2] {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let mut request = String::new();
            stream.read_line(&mut request).await.unwrap();
            // Those since somebody reads, and then those since the connection broke.
            let Ok(Request::Events { since_unix_ms: Some(since) }) = serde_json::from_str(&request) else {
                panic!("{request}")
            };
            assert!(wanted <= since && since <= now_ms(), "{wanted} {since}");
            assert!(count == 2 || since < connecting, "{connecting} {since}");
            wanted = now_ms();
            let refusal = format!(
                r#"{{"type":"refusal","refusal":{{"address":"10.0.0.1","port":22,"protocol":"tcp","name":null,"rule":"default","count":{count}}}}}"#
            );
            stream.write_all(format!("{{\"type\":\"done\"}}\n{refusal}\n").as_bytes()).await.unwrap();
        }
        let mut seen = Vec::new();
        while seen.len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            seen.extend(events.drain().unwrap());
        }
        for (event, count) in seen.iter().zip([1, 2]) {
            let EventKind::Network(refusal) = &event.kind else { panic!("{event:?}") };
            assert_eq!((event.box_id.as_deref(), refusal.port, refusal.count), (Some("b"), 22, count));
        }
        drop(end);
        while watch.watched.load(Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn totals_have_what_the_shim_recorded_before_its_end_also_if_the_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("network.json");
        std::fs::write(&record, r#"{"received_bytes":70,"refusals":2,"connections":5}    "#).unwrap();
        let (watch, ..) = watch(folder.path());
        // As if it had been read a moment later than it was recorded.
        *watch.counted.lock().await =
            NetworkMetrics { received_bytes: 50, refusals: 3, ..Default::default() };
        let totals = RuntimeMetrics::default();
        std::fs::remove_file(&record).unwrap();
        for _ in 0..2 {
            watch.ended(&totals).await;
            let total = totals.snapshot().network;
            assert_eq!(total, NetworkMetrics { received_bytes: 20, ..Default::default() });
        }
    }

    #[tokio::test]
    async fn totals_count_every_byte_once_and_only_open_connections() {
        let folder = tempfile::tempdir().unwrap();
        let (watch, _, listener) = watch(folder.path());
        let totals = RuntimeMetrics::default();
        let shim = async {
            for (bytes, open) in [(10, 3), (25, 1)] {
                let mut stream = BufReader::new(listener.accept().await.unwrap().0);
                stream.read_line(&mut String::new()).await.unwrap();
                let metrics = format!(
                    "{{\"type\":\"metrics\",\"metrics\":{{\"received_bytes\":{bytes},\"connections\":{open}}}}}\n"
                );
                stream.write_all(metrics.as_bytes()).await.unwrap();
            }
        };
        let asking = async {
            watch.metrics(&totals).await.unwrap();
            watch.metrics(&totals).await.unwrap()
        };
        let (last, ()) = tokio::join!(asking, shim);
        assert_eq!((last.received_bytes, last.connections), (25, 1));
        let total = totals.snapshot().network;
        assert_eq!((total.received_bytes, total.connections), (25, 1));
        watch.ended(&totals).await;
        assert_eq!(totals.snapshot().network, NetworkMetrics { connections: 0, ..total });
    }
}
