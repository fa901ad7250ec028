//! Joins a connection of a client to a stream to the box, both ways. Called by `tcp`.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io,
    os::fd::AsRawFd as _,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::{Poll, ready},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, send},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpStream, UnixStream, unix::ReadHalf},
};

use super::activity::Activity;

/// Most bytes that are on the way in one direction.
const CHUNK_MAX: usize = 64 << 10;
/// How long a connection of which one direction has ended may carry nothing, in the other one, before it is given up: a peer that is
/// gone would hold it for ever.
const HALF_CLOSED: Duration = Duration::from_mins(5);

thread_local! {
    /// Bytes on their way from one socket to the next. All connections share it, so that one that waits needs no memory.
    static CHUNK: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK_MAX].into());
}

/// Carries bytes both ways until both directions have ended. The end of one direction is passed on while the other continues.
///
/// # Errors
/// Whatever a side fails with, such as a reset by the client, or by the box, of which the death of its machine is one; `TimedOut` for a
/// half-closed connection that carries nothing for five minutes.
pub(super) async fn splice(client: &mut TcpStream, stream: &mut UnixStream) -> io::Result<()> {
    let activity = Activity::new();
    let ((from_client, to_client), (from_box, to_box)) = (client.split(), stream.split());
    let up_ended = AtomicBool::new(false);
    let mut up = pin!(async {
        pass(from_client, to_box, &activity, |_| Ok(())).await?;
        up_ended.store(true, Relaxed);
        Ok(())
    });
    // Whoever has said all ends one direction. Both at once are a reset, unless the other one was ended here.
    let whole = |from_box: &ReadHalf<'_>| {
        if up_ended.load(Relaxed) || !hung_up(from_box.as_ref()) { Ok(()) } else { Err(reset()) }
    };
    let mut down = pin!(pass(from_box, to_client, &activity, whole));
    tokio::select! {
        ended = &mut up => {
            ended?;
            finish(down, &activity).await
        }
        ended = &mut down => {
            ended?;
            finish(up, &activity).await
        }
    }
}

/// The rest of the direction that still goes on.
async fn finish(rest: impl Future<Output = io::Result<()>>, activity: &Activity) -> io::Result<()> {
    activity.touch();
    tokio::select! {
        ended = rest => ended,
        () = activity.idle(HALF_CLOSED) => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

/// Whether the other side of a socket has closed both directions. Nothing is sent: the kernel only says whether anybody would read it.
fn hung_up(socket: &UnixStream) -> bool {
    send(socket.as_raw_fd(), &[], MsgFlags::MSG_NOSIGNAL) == Err(Errno::EPIPE)
}

/// Carries bytes one way, and then their end, if that is `whole`. Nothing is read before what came earlier is written, which is the
/// back-pressure.
async fn pass<R: AsyncRead + Unpin>(
    mut from: R,
    mut to: impl AsyncWrite + Unpin,
    activity: &Activity,
    whole: impl Fn(&R) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        let next = poll_fn(|context| {
            CHUNK.with_borrow_mut(|chunk| {
                let mut chunk = ReadBuf::new(chunk);
                ready!(Pin::new(&mut from).poll_read(context, &mut chunk))?;
                let bytes = chunk.filled();
                if bytes.is_empty() {
                    return Poll::Ready(Ok::<_, io::Error>(None));
                }
                let written = match Pin::new(&mut to).poll_write(context, bytes) {
                    Poll::Ready(written) => written?,
                    Poll::Pending => 0,
                };
                Poll::Ready(Ok(Some(bytes[written..].to_vec())))
            })
        });
        let Some(rest) = next.await? else {
            whole(&from)?;
            return to.shutdown().await;
        };
        activity.touch();
        to.write_all(&rest).await?;
    }
}
