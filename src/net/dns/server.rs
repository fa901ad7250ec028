//! The name server of one box. Made by whoever starts the gateway; asked by the gateway for UDP and TCP.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use boxlite_spec::network::{NetworkSpec, control::Refusal, rule::Protocol};
use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType},
};
use tokio::sync::Semaphore;

use super::{
    filter::{self, Filtered},
    local::{self, Local},
    question::{self, Question, Read},
    reply,
    upstream::Upstream,
};
use crate::{
    backend::Reports,
    decision::Refused,
    gateway::names::{Answer, Found, NameServer},
    policy::Egress,
};

/// Most queries that are with the servers at one time. More wait.
const ASKED_MAX: usize = 256;
/// Most queries that are asked or wait. More get no answer, as if they were lost, and the box asks again.
const WAITING_MAX: usize = 2048;

/// Answers the queries of one box.
#[derive(Debug)]
pub struct Server {
    egress: Arc<Egress>,
    local: Local,
    upstream: Upstream,
    /// Whether the box has IPv6.
    v6: bool,
    places: Semaphore,
    asked: Semaphore,
    reports: Reports,
}

impl Server {
    /// The name server of a box. It asks nobody before the box does.
    pub fn new(spec: &NetworkSpec, egress: Arc<Egress>, reports: Reports) -> Arc<Self> {
        Self::with(spec, egress, reports, Upstream::new(&spec.dns.servers))
    }

    /// A name server that asks these servers, at any port.
    pub fn asking(
        spec: &NetworkSpec,
        egress: Arc<Egress>,
        reports: Reports,
        servers: Vec<SocketAddr>,
    ) -> Arc<Self> {
        Self::with(spec, egress, reports, Upstream::chosen(servers))
    }

    fn with(spec: &NetworkSpec, egress: Arc<Egress>, reports: Reports, upstream: Upstream) -> Arc<Self> {
        Arc::new(Self {
            egress,
            local: Local::new(spec),
            upstream,
            v6: spec.link.v6.is_some(),
            places: Semaphore::new(WAITING_MAX),
            asked: Semaphore::new(ASKED_MAX),
            reports,
        })
    }

    async fn answer_to(&self, query: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
        self.reports.counters.count_dns_query();
        let _place = self.places.try_acquire().ok()?;
        match question::read(query, over_tcp) {
            Read::Nothing => None,
            Read::Malformed(answer) => answer.to_vec().ok(),
            Read::Refused(question, code) => Some(reply::encode(&question, reply::to(&question, code))),
            Read::Question(question) => {
                let message = self.resolve(&question).await;
                Some(reply::encode(&question, message))
            }
        }
    }

    /// The addresses of a name, and the first reason why there are none.
    async fn addresses(&self, name: &str) -> Found {
        let Ok(asked) = Name::from_ascii(format!("{name}.")) else { return Found::Unknown };
        let (mut addresses, mut refusal) = (Vec::new(), None);
        for record_type in [RecordType::A, RecordType::AAAA].into_iter().take(1 + usize::from(self.v6)) {
            self.reports.counters.count_dns_query();
            let mut query = Message::query();
            query.metadata.recursion_desired = true;
            query.add_query(Query::query(asked.clone(), record_type));
            let Ok(query) = query.to_vec() else { return Found::Unknown };
            let Read::Question(question) = question::read(&query, true) else { return Found::Unknown };
            let (message, refused) = self.judge(&question).await;
            addresses.extend(message.answers.iter().filter_map(filter::address_of));
            refusal = refusal.or(refused);
        }
        match refusal {
            _ if !addresses.is_empty() => Found::Addresses(addresses),
            Some(refused) => Found::Refused(refused),
            None => Found::Unknown,
        }
    }

    async fn resolve(&self, question: &Question) -> Message {
        self.judge(question).await.0
    }

    /// The answer to a question, and the first reason for which something of it was refused.
    async fn judge(&self, question: &Question) -> (Message, Option<Refused>) {
        let record_type = question.query.query_type();
        let reverse = pointed_at(question);
        let known = match reverse {
            Some(address) => self.local.pointer(address).map(|name| vec![name]),
            None => self.local.records(&question.name, record_type),
        };
        if let Some(mut records) = known {
            records.retain(|data| self.v6 || data.record_type() != RecordType::AAAA);
            return (local_answer(question, records), None);
        }
        // The name of an address is asked for if the address may be reached; it would lead out whatever its name says.
        let asks = match reverse {
            Some(address) => self.egress.may_reach(address),
            None => self.egress.may_ask(&question.name),
        };
        if let Err(refused) = asks {
            self.report(question, reverse, refused.clone());
            return (reply::to(question, ResponseCode::NXDomain), Some(refused));
        }
        if record_type == RecordType::AAAA && !self.v6 {
            return (reply::to(question, ResponseCode::NoError), None);
        }
        let Ok(_asked) = self.asked.acquire().await else {
            return (reply::to(question, ResponseCode::ServFail), None);
        };
        let Ok(answer) = self.upstream.ask(question).await else {
            return (reply::to(question, ResponseCode::ServFail), None);
        };
        let Filtered { message, refused } = filter::filter(&self.egress, question, answer, self.v6);
        let first = refused.first().map(|(_, why)| why.clone());
        for (address, why) in refused {
            self.report(question, address, why);
        }
        (message, first)
    }

    fn report(&self, question: &Question, address: Option<IpAddr>, refused: Refused) {
        self.reports.counters.count_refusal();
        self.reports.refusals.report(Refusal {
            address,
            port: 0,
            protocol: if question.over_tcp { Protocol::Tcp } else { Protocol::Udp },
            name: Some(refused.name.unwrap_or_else(|| question.name.clone())),
            rule: refused.rule,
            count: 1,
        });
    }
}

impl NameServer for Server {
    fn answer<'a>(&'a self, query: &'a [u8], over_tcp: bool) -> Answer<'a> {
        Box::pin(self.answer_to(query, over_tcp))
    }

    fn look_up<'a>(&'a self, name: &'a str) -> Pin<Box<dyn Future<Output = Found> + Send + 'a>> {
        Box::pin(self.addresses(name))
    }
}

/// The address whose name is asked for; `None` if it is another question.
pub(super) fn pointed_at(question: &Question) -> Option<IpAddr> {
    let is_reverse = question.name.ends_with(".in-addr.arpa") || question.name.ends_with(".ip6.arpa");
    let net = is_reverse.then(|| question.query.name().parse_arpa_name().ok()).flatten()?;
    (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())
}

fn local_answer(question: &Question, records: Vec<RData>) -> Message {
    let mut message = reply::to(question, ResponseCode::NoError);
    let name = question.query.name();
    message.add_answers(records.into_iter().map(|data| Record::from_rdata(name.clone(), local::TTL, data)));
    message
}
