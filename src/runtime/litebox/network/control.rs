//! `Control`: requests to the shim of a running box about its network (`spec::network::control`). Called by `ports`, and
//! by what watches and changes the network of a box that runs (`network/watch.rs`).

use std::{io, time::Duration};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_spec::network::{
    control::{FailureKind, LINE, Refusal, Reply, Request},
    port::PublishSpec,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    time::timeout,
};

use crate::{network::port_error, shim::socket::BoxSocket};

/// How long the shim may take to answer.
const ANSWER: Duration = Duration::from_secs(15);

/// The control socket of one box. Failures of the connection are `PORTAL_LOST`, so that the end of the box explains them.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    id: String,
    socket: BoxSocket,
}

/// What a running box refuses, from a moment on. Dropping it ends the shim's reports.
#[derive(Debug)]
pub(crate) struct RefusalStream {
    control: Control,
    replies: BufReader<UnixStream>,
}

impl Control {
    /// The socket of the box `id`.
    pub(crate) fn new(id: &str, socket: BoxSocket) -> Self {
        Self { id: id.to_owned(), socket }
    }

    /// Sends a request, and returns its reply. `what` is what errors say was tried.
    ///
    /// # Errors
    /// `NETWORK_FAILED`, `PORT_IN_USE` and `PORT_DENIED` for what the shim can't do; `PORTAL_LOST` if it does not answer.
    pub(crate) async fn ask(&self, what: &str, request: &Request) -> BoxliteResult<Reply> {
        let asked = timeout(ANSWER, async {
            let mut replies = self.send(request).await?;
            self.read(&mut replies).await
        });
        match asked.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(Some(Reply::Failed { message, kind })) => Err(self.failed(&message, kind)),
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(self.lost(what, io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(self.lost(what, error)),
        }
    }

    /// As [`ask`](Self::ask), for a request that is answered by ports.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask).
    pub(crate) async fn ask_ports(&self, what: &str, request: &Request) -> BoxliteResult<Vec<PublishSpec>> {
        match self.ask(what, request).await? {
            Reply::Ports { ports } => Ok(ports),
            other => Err(self.strange(what, &other)),
        }
    }

    /// The certificate, in PEM, of the authority of a box that has secrets. Its gateway shows it in place of the hosts' own where it puts
    /// secrets in.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask); `NETWORK_FAILED` if there is none.
    pub(crate) async fn authority(&self) -> BoxliteResult<String> {
        let what = "read the authority";
        match self.ask(what, &Request::Authority).await? {
            Reply::Authority { certificate: Some(certificate) } => Ok(certificate),
            Reply::Authority { certificate: None } => {
                let message = format!("{what} of box `{}`: its gateway has none", self.id);
                Err(BoxliteError::new(ErrorCode::NetworkFailed, message))
            }
            other => Err(self.strange(what, &other)),
        }
    }

    /// What the box refuses, from that moment on, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// `PORTAL_LOST` if the shim does not answer.
    pub(crate) async fn refusals(&self, since_ms: u64) -> BoxliteResult<RefusalStream> {
        const WHAT: &str = "read refusals";
        let asked = timeout(ANSWER, async {
            let mut replies = self.send(&Request::Events { since_unix_ms: Some(since_ms) }).await?;
            Ok((self.read(&mut replies).await?, replies))
        });
        match asked.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok((Some(Reply::Done), replies)) => Ok(RefusalStream { control: self.clone(), replies }),
            Ok((Some(other), _)) => Err(self.strange(WHAT, &other)),
            Ok((None, _)) => Err(self.lost(WHAT, io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(self.lost(WHAT, error)),
        }
    }

    async fn send(&self, request: &Request) -> io::Result<BufReader<UnixStream>> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        if line.len() > LINE {
            return Err(io::Error::other(format!("the request has {} bytes; {LINE} at most", line.len())));
        }
        let mut stream = self.socket.connect().await?;
        stream.write_all(&line).await?;
        Ok(BufReader::new(stream))
    }

    /// The next reply. Returns `None` at the end.
    async fn read(&self, replies: &mut BufReader<UnixStream>) -> io::Result<Option<Reply>> {
        let mut line = Vec::new();
        if replies.take(LINE as u64).read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&line)?))
    }

    fn failed(&self, message: &str, kind: FailureKind) -> BoxliteError {
        let message = format!("box `{}`: {message}", self.id);
        match kind {
            FailureKind::AddressInUse => port_error::in_use(message),
            FailureKind::AddressDenied => port_error::denied(message),
            FailureKind::Unsupported | FailureKind::Other => {
                let said = message.clone();
                BoxliteError::new(ErrorCode::NetworkFailed, message).caused_by_text(&said)
            }
        }
    }

    fn lost(&self, what: &str, error: io::Error) -> BoxliteError {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let lost = BoxliteError::new(
            ErrorCode::PortalLost,
            format!("{what} of box `{}`: its shim does not answer: {error}", self.id),
        )
        .caused_by(error);
        if missing {
            lost.hint("a box that an older version of boxlite started has to be stopped and started again")
        } else {
            lost
        }
    }

    fn strange(&self, what: &str, reply: &Reply) -> BoxliteError {
        BoxliteError::new(
            ErrorCode::Internal,
            format!("{what} of box `{}`: its shim answers {reply:?}", self.id),
        )
    }
}

impl RefusalStream {
    /// Waits for the next refusal. Returns `None` when the box has ended.
    ///
    /// # Errors
    /// `PORTAL_LOST` if the connection breaks.
    pub(crate) async fn next(&mut self) -> BoxliteResult<Option<Refusal>> {
        const WHAT: &str = "read refusals";
        match self.control.read(&mut self.replies).await {
            Ok(Some(Reply::Refusal { refusal })) => Ok(Some(refusal)),
            Ok(Some(other)) => Err(self.control.strange(WHAT, &other)),
            Ok(None) => Ok(None),
            Err(error) => Err(self.control.lost(WHAT, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    /// A shim that answers every request with `reply`, and a client of it.
    fn shim(reply: &'static str) -> (tempfile::TempDir, Control) {
        let folder = tempfile::tempdir().unwrap();
        let socket = BoxSocket::new(folder.path(), "control.sock");
        let listener = UnixListener::from_std(socket.listen().unwrap()).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                serde_json::from_str::<Request>(&line).unwrap();
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
        });
        (folder, Control::new("b", socket))
    }

    async fn failure(reply: &'static str) -> (ErrorCode, String) {
        let (_folder, control) = shim(reply);
        let error = control.ask_ports("list the ports", &Request::Ports).await.unwrap_err();
        (error.code(), error.to_string())
    }

    #[tokio::test]
    async fn ports_are_what_the_shim_answers() {
        let (_folder, control) = shim("{\"type\":\"ports\",\"ports\":[{\"guest\":80,\"host\":8080}]}\n");
        let ports = control.ask_ports("list the ports", &Request::Ports).await.unwrap();
        assert_eq!(ports, [PublishSpec { host: 8080, ..PublishSpec::new(80) }]);
    }

    #[tokio::test]
    async fn each_kind_of_failure_has_its_code() {
        for (kind, code) in [
            ("address_in_use", ErrorCode::PortInUse),
            ("address_denied", ErrorCode::PortDenied),
            ("unsupported", ErrorCode::NetworkFailed),
            ("other", ErrorCode::NetworkFailed),
        ] {
            let reply = format!("{{\"type\":\"failed\",\"message\":\"publish x\",\"kind\":\"{kind}\"}}\n");
            assert_eq!(failure(reply.leak()).await, (code, "box `b`: publish x".to_owned()));
        }
        let reply = "{\"type\":\"failed\",\"message\":\"publish x: Too many open files (os error 24)\"}\n";
        assert_eq!(failure(reply).await.0, ErrorCode::HostLimit);
    }

    #[tokio::test]
    async fn a_shim_that_breaks_the_protocol_is_lost() {
        for reply in ["", "nonsense\n", "{\"type\":\"ports\"}\n"] {
            let (code, message) = failure(reply).await;
            assert_eq!(code, ErrorCode::PortalLost, "{message}");
            assert!(message.starts_with("list the ports of box `b`: its shim does not answer"), "{message}");
        }
        assert_eq!(failure("{\"type\":\"done\"}\n").await.0, ErrorCode::Internal);
    }

    #[tokio::test]
    async fn a_box_without_the_socket_is_told_by_a_hint() {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::new("b", BoxSocket::new(folder.path(), "control.sock"));
        let error = control.ask("x", &Request::Ports).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::PortalLost);
        assert!(error.hint_text().unwrap().to_string().contains("older version"));
    }

    #[tokio::test]
    async fn refusals_come_until_the_box_ends() {
        let refusal = "{\"type\":\"refusal\",\"refusal\":{\"address\":null,\"port\":0,\"protocol\":\"udp\",\
                       \"name\":\"a.example\",\"rule\":\"default\",\"count\":2}}\n";
        let (_folder, control) = shim(format!("{{\"type\":\"done\"}}\n{refusal}").leak());
        let mut refusals = control.refusals(0).await.unwrap();
        assert_eq!(refusals.next().await.unwrap().unwrap().name.as_deref(), Some("a.example"));
        assert_eq!(refusals.next().await.unwrap(), None);
    }
}
