//! Reads a query of the box. Called by `server.rs` with each message.

use hickory_proto::{
    op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RecordType},
};

/// The length of a message's header (RFC 1035, 4.1.1).
const HEADER: usize = 12;
/// The longest answer over UDP without EDNS (RFC 1035, 4.2.1).
const PLAIN: u16 = 512;
/// The longest answer over UDP that is sent, even if the box takes longer ones.
const UDP_MAX: u16 = 4096;

/// A query that deserves a closer look.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// The header of the query.
    pub(super) metadata: Metadata,
    /// What is asked.
    pub(super) query: Query,
    /// The name that is asked for, in lower case and without a final dot.
    pub(super) name: String,
    /// The EDNS part of the query.
    pub(super) edns: Option<Edns>,
    /// Whether it came over TCP.
    pub(super) over_tcp: bool,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Read {
    /// A query.
    Question(Question),
    /// A query that gets this code without looking further.
    Refused(Question, ResponseCode),
    /// What is no query that could be read, and the answer to that.
    Malformed(Message),
    /// Nothing that deserves an answer.
    Nothing,
}

impl Question {
    /// The longest answer that the box takes.
    pub(super) fn size(&self) -> usize {
        let udp = || self.edns.as_ref().map_or(PLAIN, |edns| edns.max_payload().clamp(PLAIN, UDP_MAX));
        if self.over_tcp { usize::from(u16::MAX) } else { usize::from(udp()) }
    }

    /// Whether the box wants the records of DNSSEC.
    pub(super) fn wants_dnssec(&self) -> bool {
        self.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok)
    }
}

/// Reads a message of the box.
pub(super) fn read(bytes: &[u8], over_tcp: bool) -> Read {
    let &[a, b, flags, ..] = bytes else { return Read::Nothing };
    // What is an answer itself gets none: two servers could answer each other for ever.
    if bytes.len() < HEADER || flags & 0x80 != 0 {
        return Read::Nothing;
    }
    let Ok(mut message) = Message::from_vec(bytes) else {
        let id = u16::from_be_bytes([a, b]);
        return Read::Malformed(Message::error_msg(id, OpCode::Query, ResponseCode::FormErr));
    };
    let (Some(query), []) = (message.queries.pop(), &message.queries[..]) else {
        let Metadata { id, op_code, .. } = message.metadata;
        return Read::Malformed(Message::error_msg(id, op_code, ResponseCode::FormErr));
    };
    let name = text_of(query.name());
    let (metadata, edns) = (message.metadata, message.edns);
    let refused = refusal(&metadata, &query, edns.as_ref());
    let question = Question { metadata, query, name: name.clone().unwrap_or_default(), edns, over_tcp };
    // A name that cannot be written as text cannot be in any rule.
    let code = refused.or_else(|| name.is_none().then_some(ResponseCode::NXDomain));
    match code {
        Some(code) => Read::Refused(question, code),
        None => Read::Question(question),
    }
}

/// Why a query is not looked at.
fn refusal(metadata: &Metadata, query: &Query, edns: Option<&Edns>) -> Option<ResponseCode> {
    debug_assert_eq!(metadata.message_type, MessageType::Query, "answers are not read");
    if metadata.op_code != OpCode::Query {
        return Some(ResponseCode::NotImp);
    }
    if edns.is_some_and(|edns| edns.version() > 0) {
        return Some(ResponseCode::BADVERS);
    }
    let is_transfer = matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR);
    (is_transfer || query.query_class() != DNSClass::IN).then_some(ResponseCode::Refused)
}

/// Returns a name as rules write it. `None` if a label has a byte that would make it another name as text, or that no host's name has.
pub(super) fn text_of(name: &Name) -> Option<String> {
    let mut text = String::with_capacity(name.len());
    for label in name {
        if !text.is_empty() {
            text.push('.');
        }
        for byte in label {
            if !byte.is_ascii_graphic() || b".\\\"".contains(byte) {
                return None;
            }
            text.push(char::from(byte.to_ascii_lowercase()));
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_with_a_dot_is_not_two_labels() {
        let name = Name::from_labels([&b"evil.good"[..], b"test"]).unwrap();
        assert_eq!(text_of(&name), None);
        assert_eq!(
            text_of(&Name::from_ascii("WWW.Example.Test.").unwrap()).as_deref(),
            Some("www.example.test")
        );
        assert_eq!(text_of(&Name::root()).as_deref(), Some(""));
    }
}
