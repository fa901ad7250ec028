//! DNS over TCP (RFC 7766): messages with their length before them, on a connection of the box to port 53 of the gateway.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};

use crate::gateway::names::NameServer;

/// How long a connection may be idle (RFC 7766, 6.2.3).
const IDLE: Duration = Duration::from_secs(10);

/// Answers queries until the box ends the connection or is idle.
pub(super) async fn serve(mut stream: DuplexStream, names: Arc<dyn NameServer>) {
    while let Ok(Ok(query)) = timeout(IDLE, read(&mut stream)).await {
        let Some(answer) = names.answer(&query, true).await else { return };
        let Ok(length) = u16::try_from(answer.len()) else { return };
        let message = [&length.to_be_bytes()[..], &answer].concat();
        if !matches!(timeout(IDLE, stream.write_all(&message)).await, Ok(Ok(()))) {
            return;
        }
    }
}

async fn read(stream: &mut DuplexStream) -> io::Result<Vec<u8>> {
    let mut query = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut query).await?;
    Ok(query)
}
