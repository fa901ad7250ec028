//! The ports of a box: published on the host, connected to, waited for. Called by `LiteBox`; calls the shim (`control`) and the agent
//! (`dial`).

use std::{sync::Arc, time::Duration};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_spec::network::{control::Request, port::PublishSpec, rule::Protocol};
use tokio::{
    net::UnixStream,
    time::{Instant, sleep},
};

use crate::litebox::{
    core::BoxCore,
    lifecycle::machine::Machine,
    network::{connection::PortConnection, control::Control, dial::dial},
};

/// How long a connection may take to be made, unless the caller says otherwise. It does not leave the box.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a port is waited for, unless the caller says otherwise.
const WAIT: Duration = Duration::from_mins(1);
/// The pauses between attempts, of which each is twice as long as the one before.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

impl BoxCore {
    /// The requests to the shim of a running machine of this box.
    pub(crate) fn control(&self) -> Control {
        Control::new(&self.id, self.paths.control_socket())
    }

    /// Publishes a port on the host; starts the box first if needed.
    pub(in crate::litebox) async fn publish(
        self: &Arc<Self>,
        port: PublishSpec,
    ) -> BoxliteResult<PublishSpec> {
        check(port.guest, port.protocol)?;
        let machine = self.machine(None).await?;
        let what = format!("publish port {}", port.guest);
        let ports = self.ask_ports(&machine, &what, &Request::Publish { port }).await?;
        ports.into_iter().next().ok_or_else(|| {
            BoxliteError::new(ErrorCode::Internal, format!("{what} of box `{}`: none was published", self.id))
        })
    }

    /// Withdraws every publication of a port. A box that does not run has none.
    pub(in crate::litebox) async fn unpublish(
        self: &Arc<Self>,
        guest: u16,
        protocol: Protocol,
    ) -> BoxliteResult<Vec<PublishSpec>> {
        check(guest, protocol)?;
        let Some(machine) = self.running().await? else { return Ok(Vec::new()) };
        let what = format!("withdraw port {guest}");
        self.ask_ports(&machine, &what, &Request::Unpublish { guest, protocol }).await
    }

    /// The published ports. A box that does not run has none.
    pub(in crate::litebox) async fn ports(self: &Arc<Self>) -> BoxliteResult<Vec<PublishSpec>> {
        let Some(machine) = self.running().await? else { return Ok(Vec::new()) };
        self.ask_ports(&machine, "list the ports", &Request::Ports).await
    }

    async fn ask_ports(
        self: &Arc<Self>,
        machine: &Machine,
        what: &str,
        request: &Request,
    ) -> BoxliteResult<Vec<PublishSpec>> {
        self.explained(machine, self.control().ask_ports(what, request)).await
    }

    /// Connects to a TCP port in the box; starts the box first if needed.
    pub(in crate::litebox) async fn connect(
        self: &Arc<Self>,
        port: u16,
        limit: Option<Duration>,
    ) -> BoxliteResult<PortConnection> {
        check(port, Protocol::Tcp)?;
        let machine = self.machine(None).await?;
        let stream = self.explained(&machine, self.dial(port, limit.unwrap_or(CONNECT))).await?;
        Ok(PortConnection::new(machine, &self.id, port, stream))
    }

    /// Waits until something in the box accepts connections to a TCP port; starts the box first if needed.
    pub(in crate::litebox) async fn wait_for_port(
        self: &Arc<Self>,
        port: u16,
        limit: Option<Duration>,
    ) -> BoxliteResult<()> {
        check(port, Protocol::Tcp)?;
        let machine = self.machine(None).await?;
        let limit = limit.unwrap_or(WAIT);
        self.explained(&machine, self.until_open(port, limit)).await
    }

    async fn until_open(&self, port: u16, limit: Duration) -> BoxliteResult<()> {
        let end = Instant::now() + limit;
        let (mut pause, longest) = PAUSES;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let closed = match self.dial(port, left.clamp(longest, CONNECT)).await {
                Ok(_) => return Ok(()),
                Err(error) if error.code() == ErrorCode::PortClosed => error,
                Err(error) => return Err(error),
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let (id, ms) = (&self.id, limit.as_millis());
                let message =
                    format!("wait for port {port} of box `{id}`: nothing listened there for {ms} ms");
                return Err(BoxliteError::new(ErrorCode::PortClosed, message).caused_by(closed));
            }
            sleep(pause.min(left)).await;
            pause = (2 * pause).min(longest);
        }
    }

    async fn dial(&self, port: u16, limit: Duration) -> BoxliteResult<UnixStream> {
        dial(&self.paths.dial_socket(), &self.id, port, limit).await
    }
}

/// Refuses what is no port.
fn check(port: u16, protocol: Protocol) -> BoxliteResult<()> {
    if port == 0 {
        return Err(BoxliteError::invalid("port 0 of a box: a port is 1 to 65535"));
    }
    if protocol == Protocol::Icmp {
        return Err(BoxliteError::invalid_option("protocol", "expected `tcp` or `udp`, got `icmp`"));
    }
    Ok(())
}
