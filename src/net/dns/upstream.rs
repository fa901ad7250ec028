//! Asks the servers: one after the other until one answers, those that failed lately last. Called by `server.rs`.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hickory_proto::op::{Message, ResponseCode};
use tokio::time::Instant;

use super::{
    exchange,
    question::Question,
    resolv_conf::{PATH, PORT, ResolvConf},
};

/// How long one server may take for one attempt.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long all of it may take.
const TOTAL: Duration = Duration::from_secs(5);
/// How long a server that failed is asked last.
const DISTRUST: Duration = Duration::from_secs(30);

/// The servers, and which of them failed lately.
#[derive(Debug)]
pub(super) struct Upstream {
    servers: Servers,
    failed: Mutex<HashMap<SocketAddr, Instant>>,
}

#[derive(Debug)]
enum Servers {
    /// Those that the user chose.
    Chosen(Vec<SocketAddr>),
    /// The host's own.
    Host(ResolvConf),
}

impl Upstream {
    /// The servers that the user chose, or the host's own if there are none.
    pub(super) fn new(servers: &[std::net::IpAddr]) -> Self {
        if servers.is_empty() {
            return Self::of(Servers::Host(ResolvConf::new(PATH)));
        }
        Self::chosen(servers.iter().map(|address| (*address, PORT).into()).collect())
    }

    /// These servers.
    pub(super) fn chosen(servers: Vec<SocketAddr>) -> Self {
        Self::of(Servers::Chosen(servers))
    }

    fn of(servers: Servers) -> Self {
        Self { servers, failed: Mutex::default() }
    }

    /// Asks until a server answers, for five seconds at most. An answer that says that the server failed counts only if no other comes.
    ///
    /// # Errors
    /// The last failure, if none has answered.
    pub(super) async fn ask(&self, question: &Question) -> io::Result<Message> {
        let deadline = Instant::now() + TOTAL;
        let mut outcome = Err(io::Error::new(io::ErrorKind::NotFound, "there is no name server"));
        let mut waiting = self.in_order();
        // A datagram may be lost, so that a server that did not answer is asked again. One that failed at once would fail again.
        while !waiting.is_empty() && Instant::now() < deadline {
            let mut silent = Vec::new();
            for server in waiting {
                if Instant::now() >= deadline {
                    break;
                }
                match exchange::ask(server, question, PATIENCE, deadline).await {
                    Ok(message) if is_final(message.metadata.response_code) => {
                        self.note(server, false);
                        return Ok(message);
                    }
                    Ok(message) => outcome = Ok(message),
                    Err(error) => {
                        if error.kind() == io::ErrorKind::TimedOut {
                            silent.push(server);
                        }
                        self.note(server, true);
                        outcome = outcome.or(Err(error));
                    }
                }
            }
            waiting = silent;
        }
        outcome
    }

    /// The servers in the order in which they are asked.
    fn in_order(&self) -> Vec<SocketAddr> {
        let mut servers = match &self.servers {
            Servers::Chosen(servers) => servers.clone(),
            Servers::Host(file) => file.settings().servers.clone(),
        };
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|_, at| at.elapsed() < DISTRUST);
        servers.sort_by_key(|server| failed.contains_key(server));
        servers
    }

    fn note(&self, server: SocketAddr, has_failed: bool) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if has_failed {
            failed.insert(server, Instant::now());
        } else {
            failed.remove(&server);
        }
    }
}

/// Whether a server has answered rather than failed.
fn is_final(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)
}
