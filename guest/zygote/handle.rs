//! The agent's handle on the zygote.
//!
//! Called by `execution`, `supervision` and the services; calls `line`.

use std::{
    fmt,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::Arc,
};

use boxlite_proto::v1::{ContainerInitRequest, ExecRequest, StartError};
use tokio::sync::oneshot;

use super::{
    launch::AgentSocket,
    line::{Line, OnExit, Spawned, gone},
    message::{Action, Contain, Failed, Signal, Spawn, Stop},
};
use crate::{Error, Kind, Result, storage::ROOTFS};

/// How long an execution's processes may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// They may outlive the first.
    Free,
    /// None outlives the first.
    Alone,
    /// The first is the box's main process.
    Main,
}

/// The handle. Clones share it.
#[derive(Clone)]
pub struct Zygote(Arc<Line>);

impl fmt::Debug for Zygote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zygote").finish_non_exhaustive()
    }
}

impl Zygote {
    /// Takes over the socket and starts to receive. Must run on the agent's runtime.
    ///
    /// # Errors
    ///
    /// The socket can't be registered with the reactor.
    pub fn new(socket: AgentSocket) -> Result<Self> {
        Line::new(socket).map(Self)
    }

    /// Makes the container, whose init is the zygote's child or, with `main_is_init`, the main process. Returns the init's pid in
    /// the guest's initial pid namespace.
    ///
    /// # Errors
    ///
    /// The request is invalid, or the kernel refuses a step.
    pub async fn contain(&self, request: ContainerInitRequest, main_is_init: bool) -> Result<u32> {
        let contain = Contain { request: Some(request), rootfs: ROOTFS.to_owned(), main_is_init };
        self.set_up(Action::Contain(Box::new(contain))).await
    }

    /// Lets the zygote serve executions on this machine itself, without a container.
    ///
    /// # Errors
    /// Fails if the zygote does not answer or refuses.
    #[cfg(any(test, feature = "testing"))]
    pub async fn uncontained(&self) -> Result<()> {
        self.set_up(Action::Uncontained(super::message::Uncontained {})).await.map(drop)
    }

    async fn set_up(&self, action: Action) -> Result<u32> {
        let (answer, wait) = oneshot::channel();
        self.0.pending().container = Some(answer);
        self.0.send(action, &[]).await?;
        let made = wait.await.map_err(|_| gone())?;
        made.map_err(|Failed { message, invalid }| {
            let kind = if invalid { Kind::Invalid } else { Kind::System };
            Error::new(kind, format!("make container: {message}"))
        })
    }

    /// Forks a child for `request`, which gets the `streams`. `on_exit` is called only if this succeeds.
    ///
    /// # Errors
    ///
    /// The zygote is gone.
    pub async fn spawn(
        &self,
        serial: u64,
        request: ExecRequest,
        lifetime: Lifetime,
        streams: Vec<OwnedFd>,
        on_exit: OnExit,
    ) -> Result<Result<Spawned, StartError>> {
        let (answer, wait) = oneshot::channel();
        {
            let mut pending = self.0.pending();
            pending.spawns.insert(serial, answer);
            pending.exits.insert(serial, on_exit);
        }
        let (alone, main) = (matches!(lifetime, Lifetime::Alone), matches!(lifetime, Lifetime::Main));
        let action = Action::Spawn(Box::new(Spawn { serial, request: Some(request), alone, main }));
        let fds: Vec<RawFd> = streams.iter().map(AsRawFd::as_raw_fd).collect();
        let sent = self.0.send(action, &fds).await;
        drop(streams);
        let answered = match sent {
            Ok(()) => wait.await.map_err(|_| gone()),
            Err(error) => Err(error),
        };
        if !matches!(answered, Ok(Ok(_))) {
            let mut pending = self.0.pending();
            pending.spawns.remove(&serial);
            pending.exits.remove(&serial);
        }
        answered
    }

    /// Signals an execution's process group. With `all` the execution leaves no process behind, see [`Signal`]. Returns false if
    /// it had ended before.
    ///
    /// # Errors
    ///
    /// The zygote is gone, or the kernel refuses the signal.
    pub async fn signal(&self, serial: u64, signal: i32, all: bool) -> Result<bool> {
        let (answer, wait) = oneshot::channel();
        self.0
            .send_with(Action::Signal(Signal { serial, signal, all }), &[], |pending| {
                pending.signals.push_back(answer);
            })
            .await?;
        let signalled = wait.await.map_err(|_| gone())?;
        if signalled.error.is_empty() {
            Ok(signalled.delivered)
        } else {
            Err(Error::new(Kind::System, format!("send signal {signal}: {}", signalled.error)))
        }
    }

    /// Ends every process of the container, its init included. Returns how many had to be killed.
    ///
    /// # Errors
    ///
    /// The zygote is gone.
    pub async fn stop(&self, request: Stop) -> Result<u32> {
        let (answer, wait) = oneshot::channel();
        {
            let mut pending = self.0.pending();
            pending.stop = Some(answer);
            pending.serving = false;
        }
        self.0.send(Action::Stop(request), &[]).await?;
        wait.await.map_err(|_| gone())
    }

    /// Waits until the container's init has exited although nobody stopped it. Nothing can be executed then.
    pub async fn lost(&self) {
        let mut lost = self.0.lost.subscribe();
        // The sender lives as long as `self`.
        let _ = lost.wait_for(|lost| *lost).await;
    }
}
