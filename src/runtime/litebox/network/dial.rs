//! Dials a port in a box through its agent (`wire::dial`). Called by `ports`.

use std::{io, time::Duration};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, text};
use boxlite_wire::{dial::Request, port::DIAL};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use crate::shim::socket::BoxSocket;

/// How long the agent may take beyond the time that a connection may take.
const ANSWER: Duration = Duration::from_secs(5);

/// Connects to the TCP port `port` of the box `id`, behind whose `socket` its agent dials, within `limit`.
///
/// # Errors
/// `PORT_CLOSED` if the box does not accept the connection; `PORTAL_LOST` if the agent can't be reached.
pub(super) async fn dial(
    socket: &BoxSocket,
    id: &str,
    port: u16,
    limit: Duration,
) -> BoxliteResult<UnixStream> {
    let timeout_ms = u16::try_from(limit.as_millis()).unwrap_or(u16::MAX).max(1);
    let request = Request { udp: false, port, timeout_ms };
    let lost = |error: io::Error| {
        let message = format!("connect to port {port} of box `{id}`: its agent can't be reached: {error}");
        BoxliteError::new(ErrorCode::PortalLost, message).caused_by(error)
    };
    let asked = async {
        let mut stream = socket.connect().await?;
        stream.write_all(&[DIAL, &request.encode()].concat()).await?;
        Ok((stream.read_u16().await?, stream))
    };
    let asked = timeout(Duration::from_millis(timeout_ms.into()) + ANSWER, asked).await;
    let (errno, stream) = asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(lost)?;
    if errno == 0 {
        return Ok(stream);
    }
    let reason = io::Error::from_raw_os_error(errno.into());
    let message = format!("connect to port {port} of box `{id}`: {reason}");
    Err(BoxliteError::new(ErrorCode::PortClosed, message)
        .caused_by(reason)
        .hint(text!["start what listens there, and wait for it by ", Term::BoxWaitForPort]))
}
