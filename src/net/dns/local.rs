//! The names that the gateway knows itself: the host's own, those that the user fixed, and `localhost`. A query for one does not leave. Asked by
//! `server.rs`.

use std::{collections::HashMap, net::IpAddr};

use boxlite_spec::network::{GATEWAY_NAME, HOST_NAME, NetworkSpec};
use hickory_proto::rr::{
    Name, RData, RecordType,
    rdata::{A, AAAA, PTR},
};

/// How long the box may keep such an answer, in seconds.
pub(super) const TTL: u32 = 60;

/// Names with fixed addresses.
#[derive(Debug, Default)]
pub(super) struct Local {
    addresses: HashMap<String, Vec<IpAddr>>,
    names: HashMap<IpAddr, String>,
}

impl Local {
    /// What a box's gateway knows itself.
    pub(super) fn new(spec: &NetworkSpec) -> Self {
        let mut local = Self::default();
        let link = &spec.link;
        local.add(HOST_NAME, link.v4.host.into());
        if let Some(v6) = link.v6 {
            local.add(HOST_NAME, v6.host.into());
        }
        local.add(GATEWAY_NAME, link.v4.gateway.into());
        for (name, address) in &spec.dns.hosts {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            if name != HOST_NAME && name != GATEWAY_NAME {
                local.add(&name, address.to_canonical());
            }
        }
        local
    }

    fn add(&mut self, name: &str, address: IpAddr) {
        self.addresses.entry(name.to_owned()).or_default().push(address);
        self.names.entry(address).or_insert_with(|| name.to_owned());
    }

    /// The records of a name, or `None` if the gateway does not know it. A name that is known without a record of this type has none.
    pub(super) fn records(&self, name: &str, record_type: RecordType) -> Option<Vec<RData>> {
        // RFC 6761, 6.3.
        let is_localhost = name == "localhost" || name.ends_with(".localhost");
        let loopback = [IpAddr::from([127, 0, 0, 1]), IpAddr::from(1_u128.to_be_bytes())];
        let addresses = match self.addresses.get(name) {
            Some(addresses) => addresses,
            None if is_localhost => &loopback[..],
            None => return None,
        };
        let records = addresses.iter().filter_map(|address| match (address, record_type) {
            (IpAddr::V4(v4), RecordType::A | RecordType::ANY) => Some(RData::A(A(*v4))),
            (IpAddr::V6(v6), RecordType::AAAA | RecordType::ANY) => Some(RData::AAAA(AAAA(*v6))),
            _ => None,
        });
        Some(records.collect())
    }

    /// The name of an address, or `None` if the gateway does not know it.
    pub(super) fn pointer(&self, address: IpAddr) -> Option<RData> {
        let name = Name::from_ascii(format!("{}.", self.names.get(&address)?)).ok()?;
        Some(RData::PTR(PTR(name)))
    }
}
