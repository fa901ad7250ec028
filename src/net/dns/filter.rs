//! Judges what a server answered: addresses that the policy refuses are removed, and the others are told to the policy, which lets the box reach
//! them by their name. Called by `server.rs`.

use std::{net::IpAddr, time::Duration};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{
            HTTPS, SVCB,
            svcb::{SvcParamKey, SvcParamValue},
        },
    },
};

use super::{
    question::{Question, text_of},
    reply,
};
use crate::{decision::Refused, policy::Egress};

/// Most aliases (CNAME) from the name that was asked for to one with records.
const ALIASES_MAX: usize = 16;

/// An answer for the box, and what was removed from it.
#[derive(Debug)]
pub(super) struct Filtered {
    /// The answer.
    pub(super) message: Message,
    /// Addresses that the policy refuses, or no address if an alias is a name that it refuses.
    pub(super) refused: Vec<(Option<IpAddr>, Refused)>,
}

/// Judges an answer. `v6` says whether the box has IPv6.
pub(super) fn filter(egress: &Egress, question: &Question, answer: Message, v6: bool) -> Filtered {
    let mut message = reply::to(question, ResponseCode::NoError);
    message.metadata.authentic_data = answer.metadata.authentic_data;
    message.metadata.response_code = answer.metadata.response_code;
    let names = aliases(question.query.name(), &answer.answers);
    let alias_refused = names.iter().skip(1).filter_map(text_of).find_map(|name| egress.denies(&name));
    if let Some(refused) = alias_refused {
        message.metadata.response_code = ResponseCode::NXDomain;
        return Filtered { message, refused: vec![(None, refused)] };
    }

    let (mut refused, mut admitted) = (Vec::new(), 0);
    for record in answer.answers.into_iter().filter_map(|record| tidied(record, question)) {
        let Some(address) = address_of(&record) else {
            message.add_answer(record);
            continue;
        };
        // Records of names that were not asked for would hold for names of the server's choice.
        if !names.contains(&record.name) || (address.is_ipv6() && !v6) {
            continue;
        }
        match egress.admit(&question.name, address, Duration::from_secs(record.ttl.into())) {
            Ok(()) => {
                admitted += 1;
                message.add_answer(record);
            }
            Err(why) => refused.push((Some(address), why)),
        }
    }
    if admitted == 0 && !refused.is_empty() {
        message.answers.clear();
        message.metadata.response_code = ResponseCode::NXDomain;
        return Filtered { message, refused };
    }
    // Only the question's own answers open addresses.
    let others = |records: Vec<Record>| {
        let tidy = records.into_iter().filter_map(|record| tidied(record, question));
        tidy.filter(|record| address_of(record).is_none()).collect::<Vec<_>>()
    };
    message.authorities = others(answer.authorities);
    message.additionals = others(answer.additionals);
    Filtered { message, refused }
}

/// The name that was asked for and the aliases that it leads to, in order.
fn aliases(asked: &Name, answers: &[Record]) -> Vec<Name> {
    let mut names = vec![asked.clone()];
    while names.len() <= ALIASES_MAX {
        let next = answers.iter().find_map(|record| match &record.data {
            RData::CNAME(alias) if Some(&record.name) == names.last() && !names.contains(&alias.0) => {
                Some(alias.0.clone())
            }
            _ => None,
        });
        let Some(next) = next else { break };
        names.push(next);
    }
    names
}

/// The address in a record, if it has one.
pub(super) fn address_of(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(v4) => Some(v4.0.into()),
        RData::AAAA(v6) => Some(v6.0.into()),
        _ => None,
    }
}

/// A record as the box may see it, if it may.
fn tidied(mut record: Record, question: &Question) -> Option<Record> {
    let record_type = record.record_type();
    let is_wanted =
        record_type == question.query.query_type() || question.wants_dnssec() || !record_type.is_dnssec();
    if record.dns_class != DNSClass::IN || record_type == RecordType::OPT || !is_wanted {
        return None;
    }
    let is_of_use = match &mut record.data {
        RData::SVCB(service) | RData::HTTPS(HTTPS(service)) => strip(service),
        _ => true,
    };
    is_of_use.then_some(record)
}

/// Removes what would lead past the policy: addresses that are no answer to a question, and keys that hide the name of a connection (ECH). Returns
/// whether the record is still of use.
fn strip(service: &mut SVCB) -> bool {
    let leads_past = |key: &SvcParamKey| {
        matches!(key, SvcParamKey::Ipv4Hint | SvcParamKey::Ipv6Hint | SvcParamKey::EchConfigList)
    };
    let needs_it = service.svc_params.iter().any(|(_, value)| match value {
        SvcParamValue::Mandatory(keys) => keys.0.iter().any(leads_past),
        _ => false,
    });
    service.svc_params.retain(|(key, _)| !leads_past(key));
    !needs_it
}
