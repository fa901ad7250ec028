//! Serves one published TCP port: accepts connections and joins each to one that the agent makes in the box. Started by `publisher`.

use std::{io, net::SocketAddr, time::Duration};

use boxlite_spec::network::rule::Protocol;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use super::{shared::Shared, splice::splice};

/// How long nothing is accepted after a failure to do so, which is a lack of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `listener` for the port `guest` of the box until it is dropped, which closes its connections.
pub(super) async fn serve(listener: TcpListener, guest: u16, shared: Shared) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, from)) => admit(client, from, guest, &shared, &mut connections),
                Err(_) => sleep(PAUSE).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// Begins a connection, if there is room for one more.
fn admit(client: TcpStream, from: SocketAddr, guest: u16, shared: &Shared, connections: &mut JoinSet<()>) {
    let Some(place) = shared.place() else {
        shared.report_full(from, guest, Protocol::Tcp);
        reset(&client);
        return;
    };
    let shared = shared.clone();
    connections.spawn(async move {
        let _place = place;
        let mut client = client;
        if join(&mut client, guest, &shared).await.is_err() {
            reset(&client);
        }
    });
}

/// The kernel has accepted the client already. What the box refuses is therefore reset at once.
async fn join(client: &mut TcpStream, guest: u16, shared: &Shared) -> io::Result<()> {
    let mut stream = shared.dialer.dial(guest, false).await?;
    client.set_nodelay(true)?;
    splice(client, &mut stream).await
}

/// Has the client see a reset instead of an end when the connection is dropped.
fn reset(client: &TcpStream) {
    let _ = SockRef::from(client).set_linger(Some(Duration::ZERO));
}
