//! A supervised guest, and the host that receives its journal. Used by all of this folder.

use std::time::Duration;

use boxlite_guest::{
    services::{AgentStart, Server, Services},
    supervision::{HostStreams, StreamRequests},
    zygote::{self, Zygote},
};
use boxlite_proto::v1::{
    BoxEvent, JournalRecord, MainExited, MainProcess, ShutdownRequest, StartError, Supervision, WatchRequest,
    box_event::Event, guest_client::GuestClient, journal_record::Record, supervisor_client::SupervisorClient,
};
use boxlite_wire::port;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};

/// Far more than anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Bench {
    pub(super) channel: Channel,
    pub(super) ended: watch::Receiver<bool>,
    pub(super) journal: JoinHandle<Vec<u8>>,
    pub(super) main_error: Option<StartError>,
}

impl Bench {
    /// A guest with this configuration, whose host receives the journal as it comes.
    pub(super) async fn new(config: Supervision) -> Self {
        Self::with_host(config, |requests| tokio::spawn(take_journal(requests, 64 * 1024))).await
    }

    pub(super) async fn with_host(
        config: Supervision,
        host: impl FnOnce(StreamRequests) -> JoinHandle<Vec<u8>>,
    ) -> Self {
        let zygote = Zygote::new(zygote::launch().expect("fork the zygote")).expect("take the socket");
        zygote.uncontained().await.expect("serve on this machine");
        let (end, ended) = watch::channel(false);
        let (streams, requests) = HostStreams::new();
        let journal = host(requests);
        let services = Services::uncontained(&zygote, AgentStart::now(), streams, end, Some(config));
        let (services, main_error) = services.await.expect("begun");
        let server = Server::new(services, ended.clone());
        let (host, guest) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move { server.serve(guest).await });
        let mut host = Some(host);
        let channel = Endpoint::from_static("http://box")
            .connect_with_connector(tower::service_fn(move |_| {
                let host = host.take();
                async move { host.map(TokioIo::new).ok_or_else(|| std::io::Error::other("used up")) }
            }))
            .await
            .expect("connect");
        Self { channel, ended, journal, main_error }
    }

    pub(super) async fn watch(&self) -> Streaming<BoxEvent> {
        let answer = SupervisorClient::new(self.channel.clone()).watch(WatchRequest::default()).await;
        answer.expect("watch").into_inner()
    }

    pub(super) async fn shutdown(&self, grace_ms: u32) -> u32 {
        let answer = GuestClient::new(self.channel.clone()).shutdown(ShutdownRequest { grace_ms }).await;
        answer.expect("shutdown").into_inner().killed
    }

    /// Waits for the machine's end and returns the journal.
    pub(super) async fn journal(mut self) -> Vec<Record> {
        timeout(PATIENCE, self.ended.wait_for(|ended| *ended))
            .await
            .expect("it ends in time")
            .expect("the sender exists");
        decode(&self.journal.await.expect("the host"))
    }
}

/// The host's side: everything after the greeting, until the empty record, which it answers by closing.
pub(super) async fn take_journal(mut requests: StreamRequests, width: usize) -> Vec<u8> {
    let Some(request) = requests.recv().await else { return Vec::new() };
    let (mut ours, theirs): (DuplexStream, _) = tokio::io::duplex(width);
    assert!(request.send(Box::new(theirs)));
    let mut greeting = [0; port::JOURNAL.len()];
    ours.read_exact(&mut greeting).await.expect("a greeting");
    assert_eq!(greeting, port::JOURNAL);
    let mut bytes = Vec::new();
    while !bytes.ends_with(&[0]) || !decodes(&bytes[..bytes.len() - 1]) {
        if ours.read_buf(&mut bytes).await.expect("read") == 0 {
            return bytes;
        }
    }
    bytes.pop();
    let _ = ours.shutdown().await;
    bytes
}

pub(super) fn decodes(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        if JournalRecord::decode_length_delimited(&mut bytes).is_err() {
            return false;
        }
    }
    true
}

pub(super) fn decode(mut bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let record = JournalRecord::decode_length_delimited(&mut bytes).expect("a record");
        assert!(record.time_unix_ns > 0);
        records.extend(record.record);
    }
    records
}

pub(super) fn shell(line: &str) -> MainProcess {
    MainProcess { argv: vec!["/bin/sh".into(), "-c".into(), line.into()], ..Default::default() }
}

pub(super) fn only(main: MainProcess) -> Supervision {
    Supervision { main: Some(main), stop_grace_ms: 5000, ..Default::default() }
}

pub(super) fn stdout(records: &[Record]) -> Vec<u8> {
    let chunks = records.iter().filter_map(|record| match record {
        Record::Stdout(data) => Some(data.to_vec()),
        _ => None,
    });
    chunks.collect::<Vec<_>>().concat()
}

pub(super) fn exits(records: &[Record]) -> Vec<MainExited> {
    records
        .iter()
        .filter_map(|record| match record {
            Record::Exited(exited) => Some(*exited),
            _ => None,
        })
        .collect()
}

pub(super) async fn next(events: &mut Streaming<BoxEvent>) -> Option<Event> {
    let event = timeout(PATIENCE, events.message()).await.expect("no event comes").expect("an event");
    event.and_then(|event| event.event)
}
