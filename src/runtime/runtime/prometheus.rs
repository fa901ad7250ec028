//! The figures of a runtime and its boxes in Prometheus' text format, version 0.0.4
//! (`prometheus.io/docs/instrumenting/exposition_formats`). A method of `BoxliteRuntime`; `prometheus-client` writes the text.

use std::{fmt, time::Duration};

use boxlite_error::BoxliteResult;
use futures::future::join_all;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet, prometheus_text},
    metrics::MetricType::{self, Counter, Gauge},
    registry::Registry,
};

use crate::{
    home::metrics::RuntimeMetricsSnapshot,
    litebox::observation::{info::BoxInfo, metrics::BoxMetrics},
    options::labels::Labels,
    runtime::BoxliteRuntime,
};

/// The counters of the runtime, named without the `_total` that the encoder appends to a counter.
#[rustfmt::skip]
const RUNTIME: [Family<RuntimeMetricsSnapshot>; 14] = [
    ("boxes_created", Counter, "Boxes made.", |m| Some(Count(m.boxes_created))),
    ("boxes_destroyed", Counter, "Boxes removed.", |m| Some(Count(m.boxes_destroyed))),
    ("boxes_failed", Counter, "Boxes that failed to start or ended unasked.", |m| Some(Count(m.boxes_failed))),
    ("boxes_running", Gauge, "Boxes that run in this process.", |m| Some(Count(m.boxes_running))),
    ("exec_calls", Counter, "Executions asked for.", |m| Some(Count(m.total_exec_calls))),
    ("exec_errors", Counter, "Executions that could not be started or were lost.", |m| Some(Count(m.total_exec_errors))),
    ("transferred_bytes", Counter, "Bytes of stdin, stdout and stderr.", |m| Some(Count(m.total_bytes_transferred))),
    ("network_received_bytes", Counter, "Bytes to the boxes.", |m| Some(Count(m.network.received_bytes))),
    ("network_sent_bytes", Counter, "Bytes from the boxes.", |m| Some(Count(m.network.sent_bytes))),
    ("network_open_connections", Gauge, "Connections of the boxes that are open.", |m| Some(Count(m.network.connections))),
    ("network_connections", Counter, "Connections of the boxes that were opened.", |m| Some(Count(m.network.connections_total))),
    ("network_refusals", Counter, "What the networks of the boxes refused.", |m| Some(Count(m.network.refusals))),
    ("network_dns_queries", Counter, "DNS queries of the boxes.", |m| Some(Count(m.network.dns_queries))),
    ("network_dropped_packets", Counter, "Packets of the boxes that were malformed or spoofed.", |m| Some(Count(m.network.dropped_packets))),
];

/// The figures of a box, named likewise.
#[rustfmt::skip]
const BOX: [Family<BoxMetrics>; 25] = [
    ("box_uptime_seconds", Gauge, "Time since the machine booted.", |m| m.guest.map(|g| millis(g.uptime_ms))),
    ("box_cpu_seconds", Counter, "CPU time of the processes in the box.", |m| m.guest.map(|g| millis(g.cpu_time_ms))),
    ("box_memory_usage_bytes", Gauge, "Memory in use in the box.", |m| m.guest.map(|g| Count(g.memory_usage))),
    ("box_memory_peak_bytes", Gauge, "The most memory in use since the start.", |m| m.guest?.memory_peak.map(Count)),
    ("box_memory_total_bytes", Gauge, "Memory of the machine.", |m| m.guest.map(|g| Count(g.memory_total))),
    ("box_pids", Gauge, "Processes and threads in the box.", |m| m.guest.map(|g| Count(g.pids))),
    ("box_execs", Counter, "Executions since the start.", |m| m.guest.map(|g| Count(g.executions))),
    ("box_oom_kills", Counter, "Processes killed for want of memory since the start.", |m| m.guest.map(|g| Count(g.oom_kills))),
    ("box_disk_size_bytes", Gauge, "Size of the root file system.", |m| m.guest.map(|g| Count(g.disk_size))),
    ("box_disk_used_bytes", Gauge, "Bytes in use on the root file system.", |m| m.guest.map(|g| Count(g.disk_used))),
    ("box_disk_read_bytes", Counter, "Bytes read from the disk since the start.", |m| m.guest.map(|g| Count(g.disk_read))),
    ("box_disk_written_bytes", Counter, "Bytes written to the disk since the start.", |m| m.guest.map(|g| Count(g.disk_written))),
    ("box_disk_host_bytes", Gauge, "What the box's own disk takes on the host.", |m| Some(Count(m.disk_on_host))),
    ("box_network_received_bytes", Counter, "Bytes received since the start.", |m| m.network.map(|n| Count(n.received_bytes))),
    ("box_network_sent_bytes", Counter, "Bytes sent since the start.", |m| m.network.map(|n| Count(n.sent_bytes))),
    ("box_network_received_packets", Counter, "Packets received since the start.", |m| m.network.map(|n| Count(n.received_packets))),
    ("box_network_sent_packets", Counter, "Packets sent since the start.", |m| m.network.map(|n| Count(n.sent_packets))),
    ("box_network_open_connections", Gauge, "Connections that are open.", |m| m.network.map(|n| Count(n.connections))),
    ("box_network_connections", Counter, "Connections that were opened since the start.", |m| m.network.map(|n| Count(n.connections_total))),
    ("box_network_refusals", Counter, "What the network refused since the start.", |m| m.network.map(|n| Count(n.refusals))),
    ("box_network_dns_queries", Counter, "DNS queries since the start.", |m| m.network.map(|n| Count(n.dns_queries))),
    ("box_network_dropped_packets", Counter, "Malformed or spoofed packets since the start.", |m| m.network.map(|n| Count(n.dropped_packets))),
    ("box_host_cpu_seconds", Counter, "CPU time of the box's processes on the host.", |m| m.host.map(|h| millis(h.cpu_time_ms))),
    ("box_host_rss_bytes", Gauge, "Memory on the host, shared pages in full.", |m| m.host.map(|h| Count(h.rss))),
    ("box_host_pss_bytes", Gauge, "Memory on the host, shared pages in parts.", |m| m.host.map(|h| Count(h.pss))),
];

/// A name after `boxlite_`, the type, the help, and how to read the value, which may be unknown.
type Family<M> = (&'static str, MetricType, &'static str, fn(&M) -> Option<Value>);

/// A number as the text has it: whole where it can be.
#[derive(Debug, Clone, Copy)]
enum Value {
    Count(u64),
    Fraction(f64),
}

use Value::{Count, Fraction};

fn millis(ms: u64) -> Value {
    seconds(Duration::from_millis(ms))
}

fn seconds(time: Duration) -> Value {
    match time.subsec_nanos() {
        0 => Count(time.as_secs()),
        // Rounds once; `as_secs_f64` adds two numbers, which makes 1.1179999999999999 of 1.118 s.
        _ => Fraction(time.div_duration_f64(Duration::from_secs(1))),
    }
}

/// All figures of one moment.
#[derive(Debug)]
struct Exposition {
    runtime: RuntimeMetricsSnapshot,
    /// Each box and, where it could be measured, its figures.
    boxes: Vec<(BoxInfo, Option<BoxMetrics>)>,
}

impl BoxliteRuntime {
    /// The counters of this runtime and the figures of every box of this home, in Prometheus' text format 0.0.4. A box that
    /// can't be measured is listed without its figures.
    ///
    /// # Errors
    /// `RUNTIME_CLOSED`; `STORAGE_IO` if the boxes can't be listed.
    pub async fn prometheus(&self) -> BoxliteResult<String> {
        let boxes = join_all(self.list().await?.into_iter().map(|info| async move {
            let metrics = match self.get(&info.id).await {
                Ok(litebox) => litebox.metrics().await.ok(),
                Err(_) => None,
            };
            (info, metrics)
        }))
        .await;
        // Measuring the boxes has brought the totals up to date.
        Ok(Exposition { runtime: self.metrics(), boxes }.text())
    }
}

impl Exposition {
    fn text(self) -> String {
        let mut registry = Registry::with_prefix("boxlite");
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).expect("nothing above fails, nor does a String");
        text
    }
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for (name, kind, help, value) in RUNTIME {
            let sample = value(&self.runtime).map(|value| ([("", ""); 0], value));
            family(&mut encoder, (name, kind, help), sample)?;
        }
        let infos = self.boxes.iter().map(|(info, _)| {
            let more = [("image", info.image.as_str()), ("state", info.state.as_str())];
            (((labels_of(info), more), user_labels(&info.labels)), Count(1))
        });
        family(&mut encoder, ("box_info", Gauge, "A box with its labels; always 1."), infos)?;
        let measured =
            || self.boxes.iter().filter_map(|(info, metrics)| Some((labels_of(info), metrics.as_ref()?)));
        for (name, kind, help, value) in BOX {
            let samples = measured().filter_map(|(labels, metrics)| Some((labels, value(metrics)?)));
            family(&mut encoder, (name, kind, help), samples)?;
        }
        let stages = measured().flat_map(|(labels, metrics)| {
            let stages = metrics.timings.stages().iter();
            stages.map(move |(stage, took)| ((labels, [("stage", stage.as_str())]), seconds(*took)))
        });
        let help = "Time that each stage of the last start took.";
        family(&mut encoder, ("box_boot_seconds", Gauge, help), stages)
    }
}

fn labels_of(info: &BoxInfo) -> [(&'static str, &str); 2] {
    [("box_id", &info.id), ("box_name", info.name.as_deref().unwrap_or_default())]
}

/// Writes a family, unless it has no sample.
fn family<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder,
    (name, kind, help): (&str, MetricType, &str),
    samples: impl IntoIterator<Item = (L, Value)>,
) -> fmt::Result {
    let mut samples = samples.into_iter().peekable();
    if samples.peek().is_none() {
        return Ok(());
    }
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in samples {
        let mut sample = family.encode_family(&labels)?;
        match (kind, value) {
            (Counter, Count(count)) => sample.encode_counter::<NoLabelSet, _, f64>(&count, None)?,
            (Counter, Fraction(number)) => sample.encode_counter::<NoLabelSet, _, f64>(&number, None)?,
            (_, Count(count)) => sample.encode_gauge(&count)?,
            (_, Fraction(number)) => sample.encode_gauge(&number)?,
        }
    }
    Ok(())
}

/// `com.example/team` becomes `label_com_example_team`; of several that become the same, the first keeps the name.
fn user_labels(labels: &Labels) -> Vec<(String, &str)> {
    let mut named: Vec<(String, &str)> = Vec::with_capacity(labels.len());
    for (key, value) in labels {
        let name = format!("label_{}", key.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
        let is_free = |name: &String| named.iter().all(|(taken, _)| taken != name);
        let numbered = (2..).map(|i| format!("{name}_{i}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or(name);
        named.push((free, value));
    }
    named
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use boxlite_error::Stage;
    use boxlite_spec::network::control::NetworkMetrics;

    use super::*;
    use crate::{
        litebox::{lifecycle::state::BoxState, observation::metrics::GuestUsage},
        pipeline::timings::Timings,
    };

    type Sample = (String, Vec<(String, String)>, f64);

    fn exposition(boxes: Vec<(BoxInfo, Option<BoxMetrics>)>) -> String {
        let runtime = RuntimeMetricsSnapshot {
            boxes_created: 3,
            boxes_running: 2,
            total_bytes_transferred: 1 << 52,
            ..RuntimeMetricsSnapshot::default()
        };
        Exposition { runtime, boxes }.text()
    }

    fn is_name(name: &str) -> bool {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// Parses the text as the format's specification has it, and panics for whatever it does not allow.
    fn parse(text: &str) -> Vec<Sample> {
        let (mut types, mut closed, mut seen) = (HashMap::new(), HashSet::new(), HashSet::new());
        let (mut family, mut samples) = (String::new(), vec![]);
        for line in text.strip_suffix('\n').unwrap().split('\n') {
            if let Some(comment) = line.strip_prefix("# ") {
                let parts: Vec<&str> = comment.splitn(3, ' ').collect();
                let [kind @ ("HELP" | "TYPE"), name, rest] = parts[..] else { panic!("no comment: {line}") };
                if kind == "TYPE" {
                    assert!(matches!(rest, "counter" | "gauge"), "{line}");
                    assert!(types.insert(name, rest).is_none(), "one TYPE: {line}");
                }
                if family != name {
                    closed.insert(std::mem::replace(&mut family, name.to_owned()));
                }
                assert!(!closed.contains(name), "a family in one piece: {line}");
                continue;
            }
            let end = line.find(['{', ' ']).unwrap();
            let (name, mut rest) = line.split_at(end);
            assert_eq!(name, family, "{line}");
            assert!(is_name(name), "{line}");
            assert!(types[name] != "counter" || name.ends_with("_total"), "{line}");
            let mut labels: Vec<(String, String)> = vec![];
            while !rest.starts_with("} ") && !rest.starts_with(' ') {
                let (label, inner) = rest[1..].split_once("=\"").unwrap();
                assert!(is_name(label) && labels.iter().all(|(taken, _)| taken != label), "{line}");
                let (mut value, mut letters) = (String::new(), inner.chars());
                loop {
                    match letters.next().unwrap() {
                        '"' => break,
                        '\\' => value.push(match letters.next().unwrap() {
                            'n' => '\n',
                            escaped @ ('\\' | '"') => escaped,
                            other => panic!("no escape: {other}"),
                        }),
                        letter => value.push(letter),
                    }
                }
                labels.push((label.to_owned(), value));
                rest = letters.as_str();
            }
            let value: f64 = rest.trim_start_matches('}')[1..].parse().unwrap();
            assert!(value.is_finite(), "{line}");
            assert!(seen.insert((name, labels.clone())), "one sample: {line}");
            samples.push((name.to_owned(), labels, value));
        }
        samples
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn info(id: &str) -> BoxInfo {
        BoxInfo {
            id: id.to_owned(),
            image: "alpine:3".to_owned(),
            state: BoxState::Stopped,
            ..BoxInfo::default()
        }
    }

    #[test]
    fn the_text_keeps_the_grammar_and_has_every_counter_of_the_metrics() {
        let text = exposition(vec![]);
        assert_eq!(parse(&text).len(), RUNTIME.len());
        let start = "# HELP boxlite_boxes_created_total Boxes made.\n# TYPE boxlite_boxes_created_total counter\n\
                     boxlite_boxes_created_total 3\n";
        assert!(text.starts_with(start), "{text}");
        for line in ["boxlite_boxes_running 2", "boxlite_transferred_bytes_total 4503599627370496"] {
            assert!(text.lines().any(|other| other == line), "{text}");
        }
    }

    #[test]
    fn metrics_have_names_images_and_labels_of_boxes_as_they_are() {
        let trap = "a \"b\" \\ c\n# TYPE x counter\nx 1";
        let labels =
            [("com.example/team", trap), ("com_example_team", "other"), ("com.example.team", "first")];
        let guest = GuestUsage { cpu_time_ms: 1500, uptime_ms: 3000, pids: 2, ..GuestUsage::default() };
        let mut timings = Timings::default();
        timings.record(Stage::Spawn, Duration::from_micros(12_500));
        let metrics = BoxMetrics {
            state: BoxState::Running,
            cpu_percent: None,
            guest: Some(guest),
            network: Some(NetworkMetrics { refusals: 4, ..NetworkMetrics::default() }),
            host: None,
            disk_on_host: 4,
            timings,
        };
        let text = exposition(vec![
            (
                BoxInfo {
                    name: Some("web".into()),
                    image: trap.into(),
                    state: BoxState::Running,
                    labels: pairs(&labels).into_iter().collect(),
                    ..info("1")
                },
                Some(metrics),
            ),
            (info("2"), None),
        ]);
        let samples = parse(&text);
        let of = |name: &str| -> Vec<_> {
            let name = format!("boxlite_box_{name}");
            samples
                .iter()
                .filter(|sample| sample.0 == name)
                .map(|(_, labels, value)| (labels.clone(), *value))
                .collect()
        };
        let web = [
            ("box_id", "1"),
            ("box_name", "web"),
            ("image", trap),
            ("state", "running"),
            ("label_com_example_team", "first"),
            ("label_com_example_team_2", trap),
            ("label_com_example_team_3", "other"),
        ];
        let other = [("box_id", "2"), ("box_name", ""), ("image", "alpine:3"), ("state", "stopped")];
        assert_eq!(of("info"), [(pairs(&web), 1.0), (pairs(&other), 1.0)]);
        assert_eq!(of("cpu_seconds_total"), [(pairs(&web[..2]), 1.5)]);
        assert_eq!(of("boot_seconds"), [(pairs(&[web[0], web[1], ("stage", "spawn")]), 0.0125)]);
        assert_eq!(of("network_refusals_total"), [(pairs(&web[..2]), 4.0)]);
        assert_eq!(of("host_rss_bytes"), []);
        assert!(text.contains("\nboxlite_box_uptime_seconds{box_id=\"1\",box_name=\"web\"} 3\n"), "{text}");
    }
}
