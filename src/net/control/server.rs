//! The server of control requests: one line of JSON each, from clients of the same user. Started by `host`, calls `answer`.

use std::{io, os::unix::net::UnixListener as StdListener, sync::Arc, time::Duration};

use boxlite_spec::network::control::{FailureKind, LINE, Reply, Request};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinSet,
    time::{interval, sleep, timeout},
};

use super::answer::Answerer;

/// Most clients at one time; more are hung up on.
const CLIENTS_MAX: usize = 64;
/// How long a client may take to send its request, and to take a reply.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often counted refusals are passed on.
const FLUSH: Duration = Duration::from_secs(1);
/// How long nobody is accepted after a failure to do so, which is a lack of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves clients of `user`, and of root, until it is dropped.
///
/// # Errors
/// If the listener does not fit into tokio.
pub async fn serve(listener: StdListener, user: u32, answerer: Arc<Answerer>) -> io::Result<()> {
    let listener = UnixListener::from_std(listener)?;
    let mut clients = JoinSet::new();
    let mut ticks = interval(FLUSH);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if clients.len() < CLIENTS_MAX && is_from(&stream, user) => {
                    let answerer = Arc::clone(&answerer);
                    // A client that breaks the protocol or hangs up has nobody else to tell.
                    clients.spawn(async move { _ = serve_client(stream, &answerer).await });
                }
                Ok(_) => {}
                Err(_) => sleep(PAUSE).await,
            },
            Some(_) = clients.join_next(), if !clients.is_empty() => {}
            // Without clients there is no reader, and the process need not wake up.
            _ = ticks.tick(), if !clients.is_empty() => answerer.flush(),
        }
    }
}

fn is_from(stream: &UnixStream, user: u32) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == user || peer.uid() == 0)
}

pub(super) async fn serve_client(mut stream: UnixStream, answerer: &Arc<Answerer>) -> io::Result<()> {
    let (reader, _) = stream.split();
    let mut line = Vec::new();
    let mut reader = BufReader::new(reader.take(LINE as u64));
    timeout(PATIENCE, reader.read_until(b'\n', &mut line)).await??;
    let request = match serde_json::from_slice::<Request>(&line) {
        Ok(request) => request,
        Err(error) => {
            let message = format!("read a request of {} bytes: {error}", line.len());
            return write(&mut stream, &Reply::Failed { message, kind: FailureKind::Other }).await;
        }
    };
    let since_unix_ms = match request {
        Request::Events { since_unix_ms } => since_unix_ms,
        _ => None,
    };
    match answerer.answer(request).await {
        Some(reply) => write(&mut stream, &reply).await,
        None => pass_refusals(stream, answerer, since_unix_ms).await,
    }
}

/// Writes each refusal until the client hangs up. [`Reply::Done`] says that from now on none is missed.
async fn pass_refusals(
    mut stream: UnixStream,
    answerer: &Arc<Answerer>,
    since_unix_ms: Option<u64>,
) -> io::Result<()> {
    let mut refusals = answerer.refusals(since_unix_ms);
    write(&mut stream, &Reply::Done).await?;
    let mut byte = [0];
    loop {
        tokio::select! {
            refusal = refusals.next() => match refusal {
                Some(refusal) => write(&mut stream, &Reply::Refusal { refusal }).await?,
                None => return Ok(()),
            },
            // It sends nothing more, so this is its end.
            _ = stream.read(&mut byte) => return Ok(()),
        }
    }
}

async fn write(stream: &mut UnixStream, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    timeout(PATIENCE, stream.write_all(&line)).await?
}
