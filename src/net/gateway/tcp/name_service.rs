//! DNS over TCP (RFC 7766): messages with their length before them, on a connection of the box to port 53 of the gateway.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};

use crate::gateway::names::NameServer;

/// How long a connection may be idle (RFC 7766, 6.2.3).
const IDLE: Duration = Duration::from_secs(10);
/// The longest query, which is many times what any needs. A box may have thousands of connections.
const QUERY_MAX: usize = 4096;
/// How much lies between the box and the name server.
pub(super) const PIPE: usize = 2 * QUERY_MAX;

/// Answers queries until the box ends the connection, is idle, or sends what is no query.
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
    let length = usize::from(stream.read_u16().await?);
    if length > QUERY_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut query = vec![0; length];
    stream.read_exact(&mut query).await?;
    Ok(query)
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;
    use crate::gateway::hostile::Echo;

    #[tokio::test]
    async fn network_pitfalls_dns_over_tcp_queries_are_answered_one_after_the_other_and_bounded() {
        let (mut client, theirs) = duplex(PIPE);
        tokio::spawn(serve(theirs, Arc::new(Echo)));
        for length in [1, QUERY_MAX] {
            let query = vec![7; length];
            client.write_u16(length.try_into().unwrap()).await.unwrap();
            client.write_all(&query).await.unwrap();
            assert_eq!(read(&mut client).await.unwrap(), query);
        }
        // It is not waited for: nothing of it would be answered.
        client.write_u16(u16::try_from(QUERY_MAX).unwrap() + 1).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
