//! Hostile bytes: queries of a box and answers of a server. Called by the fuzz targets in `fuzz/`; no part of a release.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is what this is for")]

use std::net::IpAddr;

use boxlite_spec::network::NetworkSpec;
use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::RData,
};

use super::{
    filter::{self, Filtered},
    local::Local,
    question::{self, Question, Read},
    reply,
    server::pointed_at,
};
use crate::policy::Egress;

/// A box whose policy has each kind of rule.
const SPEC: &str = r#"{
    "backend": "gateway",
    "link": {
        "mac": [2, 0, 0, 0, 0, 1], "mtu": 1500,
        "v4": { "guest": "192.168.127.2", "gateway": "192.168.127.1", "host": "192.168.127.254", "prefix": 24 },
        "v6": { "guest": "fd77::2", "gateway": "fd77::1", "host": "fd77::fe", "prefix": 64 }
    },
    "policy": { "allow": ["public", "10.0.0.0/8", "*.test"], "deny": ["a.test", "8.0.0.0/8"] },
    "dns": { "hosts": [["b.test", "10.1.2.3"]] },
    "limits": {}
}"#;

/// A message, as a query and as the answer to the question in it.
pub fn dns(bytes: &[u8]) {
    let spec: NetworkSpec = serde_json::from_str(SPEC).unwrap();
    let egress = Egress::new(&spec);
    for over_tcp in [false, true] {
        if let Read::Question(question) = question::read(bytes, over_tcp) {
            let _ = Local::new(&spec).records(&question.name, question.query.query_type());
            let _ = pointed_at(&question);
            is_short(&question, reply::to(&question, ResponseCode::NoError));
        }
        let Ok(answer) = Message::from_vec(bytes) else { continue };
        let mut query = Message::query();
        query.metadata.message_type = MessageType::Query;
        query.queries.extend(answer.queries.first().cloned());
        let Ok(query) = query.to_vec() else { continue };
        if let Read::Question(question) = question::read(&query, over_tcp) {
            let Filtered { message, .. } = filter::filter(&egress, &question, answer, true);
            for record in &message.answers {
                let address = match &record.data {
                    RData::A(v4) => IpAddr::from(v4.0),
                    RData::AAAA(v6) => IpAddr::from(v6.0),
                    _ => continue,
                };
                assert!(
                    egress.may_reach(address).is_ok(),
                    "{address} is in an answer and may not be reached"
                );
            }
            is_short(&question, message);
        }
    }
}

fn is_short(question: &Question, message: Message) {
    let size = question.size();
    assert!(reply::encode(question, message).len() <= size, "an answer is longer than {size} bytes");
}
