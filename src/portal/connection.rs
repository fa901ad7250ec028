//! `Connection`: one HTTP/2 channel to the guest over the portal socket, made at the first use and again when it broke.

use std::{io, time::Duration};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_wire::limits;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// How often a silent guest is pinged while calls are under way.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// A guest that does not answer in this time is lost. Emulation on a loaded machine is slow.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(40);

/// A channel to one guest. Clones share it.
#[derive(Debug, Clone)]
pub struct Connection {
    channel: Channel,
}

impl Connection {
    /// Makes a channel over the connections that `connect` makes. Nothing is sent before the first call.
    ///
    /// # Errors
    /// `INTERNAL` if the channel can't be configured.
    pub fn over<F, IO>(mut connect: impl FnMut() -> F + Send + 'static) -> BoxliteResult<Self>
    where
        F: Future<Output = io::Result<IO>> + Send + 'static,
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // The authority is never resolved; HTTP/2 wants one.
        let endpoint = Endpoint::from_shared("http://guest")
            .map_err(|error| BoxliteError::new(ErrorCode::Internal, "name the guest").caused_by(error))?
            .initial_stream_window_size(limits::STREAM_WINDOW)
            .initial_connection_window_size(limits::CONNECTION_WINDOW)
            .max_frame_size(limits::FRAME)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
        let connector = service_fn(move |_| {
            let connecting = connect();
            async move { connecting.await.map(TokioIo::new) }
        });
        Ok(Self { channel: endpoint.connect_with_connector_lazy(connector) })
    }

    /// The channel, for a generated client.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }
}
