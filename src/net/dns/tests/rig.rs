//! What the tests share: a server whose answers a test chooses and whose queries it sees, a name server that asks it, and a box's way of
//! asking. The addresses in answers are public ones that no machine of a test has itself, since the host's own are refused.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use boxlite_spec::network::{DnsSpec, NetworkSpec, control::Refusal, rule::Protocol};
use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
    sync::broadcast,
    task::JoinSet,
};

use crate::{
    backend::Reports,
    decision::{Decide, Decision, Destination},
    dns::Server,
    gateway::names::NameServer,
    policy::Egress,
    sample::{network, policy},
};

/// Adds to the empty answer to a query. The second argument says whether it came over TCP.
type Respond = dyn Fn(&mut Message, bool) + Send + Sync;

/// A server. It ends when this is dropped.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    /// Every query that came.
    pub(super) seen: Arc<Mutex<Vec<Message>>>,
    /// Whether it reads queries without answering them.
    pub(super) is_silent: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

impl Upstream {
    pub(super) async fn start(respond: impl Fn(&mut Message, bool) + Send + Sync + 'static) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let (seen, is_silent) = (Arc::<Mutex<Vec<Message>>>::default(), Arc::<AtomicBool>::default());
        let respond: Arc<Respond> = Arc::new(respond);
        let mut tasks = JoinSet::new();
        let answer = {
            let (seen, is_silent) = (Arc::clone(&seen), Arc::clone(&is_silent));
            move |bytes: &[u8], over_tcp| {
                let query = Message::from_vec(bytes).unwrap();
                seen.lock().unwrap().push(query.clone());
                let mut message = Message::response(query.metadata.id, OpCode::Query);
                message.add_queries(query.queries);
                respond(&mut message, over_tcp);
                (!is_silent.load(Relaxed)).then(|| message.to_vec().unwrap())
            }
        };
        let over_tcp = answer.clone();
        tasks.spawn(async move {
            let mut buffer = [0; 4096];
            loop {
                let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
                if let Some(bytes) = answer(&buffer[..length], false) {
                    udp.send_to(&bytes, from).await.unwrap();
                }
            }
        });
        tasks.spawn(async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                let mut bytes = vec![0; stream.read_u16().await.unwrap().into()];
                stream.read_exact(&mut bytes).await.unwrap();
                if let Some(bytes) = over_tcp(&bytes, true) {
                    stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
                    stream.write_all(&bytes).await.unwrap();
                }
            }
        });
        Self { address, seen, is_silent, _tasks: tasks }
    }

    /// The names that were asked for.
    pub(super) fn names(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|query| query.queries[0].name().to_ascii()).collect()
    }
}

/// A name server of a box, and its policy.
pub(super) struct Rig {
    pub(super) server: Arc<Server>,
    pub(super) egress: Arc<Egress>,
    pub(super) reports: Reports,
    refusals: Mutex<broadcast::Receiver<Refusal>>,
}

impl Rig {
    pub(super) fn new(allow: Option<&[&str]>, deny: &[&str], upstream: &[&Upstream]) -> Self {
        Self::with(&spec(allow, deny), upstream)
    }

    pub(super) fn with(spec: &NetworkSpec, upstream: &[&Upstream]) -> Self {
        let (egress, reports) = (Egress::new(spec), Reports::default());
        let servers = upstream.iter().map(|server| server.address).collect();
        let server = Server::asking(spec, Arc::clone(&egress), reports.clone(), servers);
        let refusals = Mutex::new(reports.refusals.subscribe());
        Self { server, egress, reports, refusals }
    }

    /// Asks as a box does, with room for large answers.
    pub(super) async fn ask(&self, name: &str, record_type: RecordType) -> Message {
        let mut edns = Edns::new();
        edns.set_max_payload(4096);
        self.ask_with(name, record_type, Some(edns), false).await.1
    }

    /// Returns the number of bytes too.
    pub(super) async fn ask_with(
        &self,
        name: &str,
        record_type: RecordType,
        edns: Option<Edns>,
        over_tcp: bool,
    ) -> (usize, Message) {
        let mut query = Message::new(4711, MessageType::Query, OpCode::Query);
        query.metadata.recursion_desired = true;
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), record_type));
        query.edns = edns;
        let bytes = self.server.answer(&query.to_vec().unwrap(), over_tcp).await.unwrap();
        let answer = Message::from_vec(&bytes).unwrap();
        assert_eq!((answer.metadata.id, answer.metadata.message_type), (4711, MessageType::Response));
        assert_eq!(answer.queries, query.queries);
        (bytes.len(), answer)
    }

    /// The next refusal, which has been reported.
    pub(super) fn refusal(&self) -> Refusal {
        self.refusals.lock().unwrap().try_recv().expect("a refusal is reported")
    }

    pub(super) fn may_connect(&self, address: &str) -> bool {
        let address = address.parse().unwrap();
        let to = Destination { protocol: Protocol::Tcp, address, port: 443 };
        matches!(self.egress.decide(to), Decision::Allowed(_))
    }
}

pub(super) fn spec(allow: Option<&[&str]>, deny: &[&str]) -> NetworkSpec {
    NetworkSpec {
        policy: policy(allow, deny),
        dns: DnsSpec { hosts: vec![("DB.test.".into(), [10, 9, 9, 9].into())], ..DnsSpec::default() },
        ..network()
    }
}

/// Adds an address of the name that is asked for.
pub(super) fn add_address(message: &mut Message, address: &str) {
    let name = message.queries[0].name().clone();
    let data = match address.parse().unwrap() {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    };
    message.add_answer(Record::from_rdata(name, 30, data));
}

/// Adds an alias of the name that is asked for, and an address of the alias.
pub(super) fn add_alias(message: &mut Message, alias: &str, v4: [u8; 4]) {
    let (name, alias) = (message.queries[0].name().clone(), Name::from_ascii(alias).unwrap());
    message.add_answer(Record::from_rdata(name, 30, RData::CNAME(CNAME(alias.clone()))));
    message.add_answer(Record::from_rdata(alias, 30, RData::A(A(v4.into()))));
}

/// The addresses in an answer.
pub(super) fn addresses(message: &Message) -> Vec<String> {
    let found = message.answers.iter().filter_map(|record| match &record.data {
        RData::A(v4) => Some(v4.0.to_string()),
        RData::AAAA(v6) => Some(v6.0.to_string()),
        _ => None,
    });
    found.collect()
}
