//! One query to one server: over UDP, and over TCP where the answer is too long for that. Called by `upstream.rs`.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::{Instant, timeout_at},
};

use super::question::Question;

/// What is taken over UDP without fragments (DNS flag day 2020).
const TAKEN: u16 = 1232;
/// The longest datagram that is read. Servers may send more than was said.
const DATAGRAM_MAX: usize = 4096;
/// The bit TC in the third byte of a header.
const TRUNCATED: u8 = 0x02;
/// The bit QR, also there.
const RESPONSE: u8 = 0x80;

/// Asks a server. Each of the attempts, over UDP, without EDNS, over TCP, may take `patience`, but nothing lasts longer than `deadline`.
///
/// # Errors
/// The system's error, one of kind [`TimedOut`](io::ErrorKind::TimedOut), or of kind [`InvalidData`](io::ErrorKind::InvalidData) for an answer that can't be read.
pub(super) async fn ask(
    server: SocketAddr,
    question: &Question,
    patience: Duration,
    deadline: Instant,
) -> io::Result<Message> {
    let by = || deadline.min(Instant::now() + patience);
    let query = query(question, true);
    let mut answer = timeout_at(by(), over_udp(server, &query)).await.map_err(late)??;
    if let Udp::Whole(message) = &answer
        && matches!(message.metadata.response_code, ResponseCode::FormErr | ResponseCode::NotImp)
    {
        // The server may be older than EDNS.
        let plain = self::query(question, false);
        answer = timeout_at(by(), over_udp(server, &plain)).await.map_err(late)??;
    }
    match answer {
        Udp::Whole(message) => Ok(message),
        Udp::Truncated => timeout_at(by(), over_tcp(server, &query)).await.map_err(late)?,
    }
}

fn late(error: tokio::time::error::Elapsed) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, error)
}

fn unreadable(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The query as it leaves: written anew with an id of its own, and without options that would tell more than the question.
fn query(question: &Question, with_edns: bool) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.metadata.checking_disabled = question.metadata.checking_disabled;
    message.metadata.authentic_data = question.metadata.authentic_data;
    message.add_query(question.query.clone());
    if with_edns {
        let mut edns = Edns::new();
        edns.set_max_payload(TAKEN).set_dnssec_ok(question.wants_dnssec());
        message.set_edns(edns);
    }
    message
}

/// What came over UDP.
enum Udp {
    Whole(Message),
    Truncated,
}

/// The socket is connected, so that the kernel takes datagrams from this server alone, and its port is random.
async fn over_udp(server: SocketAddr, query: &Message) -> io::Result<Udp> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(&query.to_vec().map_err(unreadable)?).await?;
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let bytes = &buffer[..length];
        // One with another id is late or forged, and the right one may still come.
        if !has_id(bytes, query) {
            continue;
        }
        if bytes[2] & TRUNCATED != 0 {
            return Ok(Udp::Truncated);
        }
        if let Some(message) = answer_in(bytes, query)? {
            return Ok(Udp::Whole(message));
        }
    }
}

async fn over_tcp(server: SocketAddr, query: &Message) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let bytes = query.to_vec().map_err(unreadable)?;
    let length = u16::try_from(bytes.len()).map_err(unreadable)?;
    stream.write_all(&[&length.to_be_bytes()[..], &bytes].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    let found = if has_id(&answer, query) { answer_in(&answer, query)? } else { None };
    found.ok_or_else(|| unreadable("it is the answer to another query"))
}

fn has_id(bytes: &[u8], query: &Message) -> bool {
    matches!(bytes, [a, b, flags, ..] if u16::from_be_bytes([*a, *b]) == query.metadata.id && flags & RESPONSE != 0)
}

/// Reads an answer. `None` if it is the answer to another question.
fn answer_in(bytes: &[u8], query: &Message) -> io::Result<Option<Message>> {
    let message = Message::from_vec(bytes).map_err(unreadable)?;
    let is_answer =
        message.metadata.message_type == MessageType::Response && message.metadata.op_code == OpCode::Query;
    // A server that did not understand the question may leave it out.
    let is_same = message.queries == query.queries
        || (message.queries.is_empty() && message.metadata.response_code != ResponseCode::NoError);
    Ok((is_answer && is_same).then_some(message))
}
