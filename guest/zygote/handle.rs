//! The agent's handle on the zygote.
//!
//! Called by `execution`, `supervision` and the services; calls `connection`.

use std::{
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::Arc,
};

use boxlite_proto::v1::ContainerInitRequest;

use super::{
    connection::{Connection, OnExit, Pending, Started},
    launch::AgentSocket,
    message::{Action, Signal, Spawn, Stop},
};
use crate::{Error, Kind, Result};

/// The handle. Clones share it.
#[derive(Clone)]
pub struct Zygote(Arc<Connection>);

impl Zygote {
    /// Takes over the socket and starts to receive. Must run on the agent's runtime.
    ///
    /// # Errors
    ///
    /// The socket can't be registered with the reactor.
    pub fn new(socket: AgentSocket) -> Result<Self> {
        Connection::new(socket).map(Self)
    }

    /// Makes the container, whose init is the zygote's child or, if the request wants that, the main process. Returns the init's
    /// pid in the guest's initial pid namespace.
    ///
    /// # Errors
    ///
    /// The request is invalid, or the kernel refuses a step.
    pub async fn contain(&self, request: ContainerInitRequest) -> Result<u32> {
        self.set_up(Action::Contain(Box::new(request))).await
    }

    /// Lets the zygote serve executions on this machine itself, without a container.
    ///
    /// # Errors
    /// Fails if the zygote does not answer or refuses.
    #[cfg(any(test, feature = "testing"))]
    pub async fn uncontained(&self) -> Result<()> {
        self.set_up(Action::Uncontained(true)).await.map(drop)
    }

    async fn set_up(&self, action: Action) -> Result<u32> {
        let made = self.0.ask(action, &[], |pending, answer| pending.container = Some(answer)).await?;
        made.map_err(|failed| failed.error("make container: "))
    }

    /// Forks a child for `spawn`, which gets the `streams`. Returns its pid in the container and its terminal's master, if it has
    /// one. `on_exit` is called only if this succeeds.
    ///
    /// # Errors
    ///
    /// The zygote is gone.
    pub async fn spawn(&self, spawn: Spawn, streams: Vec<OwnedFd>, on_exit: OnExit) -> Result<Started> {
        let (serial, action) = (spawn.serial, Action::Spawn(Box::new(spawn)));
        let fds: Vec<RawFd> = streams.iter().map(AsRawFd::as_raw_fd).collect();
        let expect = |pending: &mut Pending, answer| {
            pending.spawns.insert(serial, answer);
            pending.exits.insert(serial, on_exit);
        };
        let answered = self.0.ask(action, &fds, expect).await;
        if !matches!(answered, Ok(Ok(_))) {
            let mut pending = self.0.pending.lock();
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
        let action = Action::Signal(Signal { serial, signal, all });
        let answered = self.0.ask(action, &[], |pending, answer| pending.signals.push_back(answer)).await?;
        match answered.error.as_str() {
            "" => Ok(answered.delivered),
            error => Err(Error::new(Kind::System, format!("send signal {signal}: {error}"))),
        }
    }

    /// Ends every process of the container, its init included. Returns how many had to be killed.
    ///
    /// # Errors
    ///
    /// The zygote is gone.
    pub async fn stop(&self, request: Stop) -> Result<u32> {
        let expect = |pending: &mut Pending, answer| {
            (pending.stop, pending.serving) = (Some(answer), false);
        };
        self.0.ask(Action::Stop(request), &[], expect).await
    }

    /// Waits until the container's init has exited although nobody stopped it. Nothing can be executed then.
    pub async fn lost(&self) {
        let mut lost = self.0.lost.subscribe();
        // The sender lives as long as `self`.
        let _ = lost.wait_for(|lost| *lost).await;
    }
}
