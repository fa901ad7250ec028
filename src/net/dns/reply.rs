//! Builds an answer to the box and cuts it to the size that the box takes. Called by `question.rs` and `server.rs`.

use hickory_proto::op::{Edns, Message, Metadata, ResponseCode};

use super::question::Question;

/// What the gateway itself takes over UDP, for whoever asks.
const TAKEN: u16 = 4096;

/// An answer without records.
pub(super) fn to(question: &Question, code: ResponseCode) -> Message {
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.metadata = Metadata::response_from_request(&question.metadata);
    message.metadata.recursion_available = true;
    message.metadata.response_code = code;
    message.add_query(question.query.clone());
    if question.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(TAKEN).set_dnssec_ok(question.wants_dnssec()).set_rcode_high(code.high());
        message.set_edns(edns);
    }
    message
}

/// Returns the bytes of an answer. If it is longer than the box takes, as many records as fit are kept, and the bit TC tells the box to ask
/// again over TCP.
pub(super) fn encode(question: &Question, mut message: Message) -> Vec<u8> {
    let size = question.size();
    if let Some(whole) = bytes_of(&message).filter(|bytes| bytes.len() <= size) {
        return whole;
    }
    // These only save the box a query.
    message.additionals.clear();
    message.authorities.clear();
    if let Some(answers) = bytes_of(&message).filter(|bytes| bytes.len() <= size) {
        return answers;
    }
    message.metadata.truncation = true;
    let answers = std::mem::take(&mut message.answers);
    let first = |count: usize| {
        let mut cut = message.clone();
        cut.answers = answers.iter().take(count).cloned().collect();
        bytes_of(&cut).filter(|bytes| bytes.len() <= size)
    };
    let (mut fits, mut too_many) = (0, answers.len());
    while fits + 1 < too_many {
        let middle = usize::midpoint(fits, too_many);
        if first(middle).is_some() {
            fits = middle;
        } else {
            too_many = middle;
        }
    }
    first(fits).or_else(|| bytes_of(&to(question, ResponseCode::ServFail))).unwrap_or_default()
}

fn bytes_of(message: &Message) -> Option<Vec<u8>> {
    message.to_vec().ok()
}
