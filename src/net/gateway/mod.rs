//! The default backend: a gateway of our own on one thread of the shim. The box's side is smoltcp for TCP and parts of our own for
//! everything else; the host's side is sockets.
//!
//! A frame goes from `link` through the loop (`run`) to `tcp` or `datagrams`; answers wait in `outgoing` for the link.
//! Seams: [`names`] asks the name server, [`datagrams`] hands on what is not TCP, [`sender`] is the way of a frame to the box from any task,
//! [`inspector`] looks into connections, and [`limits`] holds the number of connections within its bound.

mod bucket;
pub(crate) mod checksum;
pub mod datagrams;
mod device;
pub(crate) mod frame;
#[cfg(any(fuzzing, test))]
pub mod hostile;
#[cfg(any(fuzzing, test))]
pub mod hostile_link;
#[cfg(any(fuzzing, test))]
mod hostile_segments;
pub mod inspector;
pub mod intercept;
pub mod limits;
pub(crate) mod link;
pub mod names;
pub(crate) mod outgoing;
mod parts;
mod ready;
pub(crate) mod reply;
mod run;
pub mod sender;
mod stack;
mod tcp;
#[cfg(test)]
pub(crate) mod tests;

use std::{fmt, sync::Arc, thread};

use boxlite_spec::network::{NetworkSpec, rule::Policy, secret::SecretSpec};
use tokio::{
    runtime,
    sync::mpsc::{self, UnboundedSender},
};

pub use self::frame::GATEWAY_MAC;
use self::{
    datagrams::{DatagramContext, MakeDatagrams},
    inspector::Inspector,
    limits::Slots,
    link::Link,
    names::NameServer,
    parts::{Parts, Patience},
    run::{Command, Run},
    sender::FrameSender,
};
use crate::{
    backend::{Attachment, NetworkBackend, NetworkError, Reports},
    decision::Decide,
};

/// What the gateway asks and hands on to.
pub struct Services {
    /// The policy.
    pub decide: Arc<dyn Decide>,
    /// The name server.
    pub names: Arc<dyn NameServer>,
    /// Who looks into connections; `None` lets all pass.
    pub inspector: Option<Arc<dyn Inspector>>,
    /// Makes the handler of all that is not TCP.
    pub datagrams: MakeDatagrams,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("decide", &self.decide).finish_non_exhaustive()
    }
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    services: Option<Services>,
    decide: Arc<dyn Decide>,
    inspector: Option<Arc<dyn Inspector>>,
    offload: bool,
    patience: Patience,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    commands: UnboundedSender<Command>,
    thread: thread::JoinHandle<()>,
}

impl Gateway {
    /// A gateway that has not been started. `offload` says whether the machine's network device takes frames that are larger than its MTU.
    pub fn new(services: Services, offload: bool) -> Self {
        let (decide, inspector) = (Arc::clone(&services.decide), services.inspector.clone());
        Self {
            services: Some(services),
            decide,
            inspector,
            offload,
            patience: Patience::default(),
            running: None,
        }
    }

    fn tell(&self, command: Command) {
        if let Some(running) = &self.running {
            // One that has ended by itself, since the machine is gone, has nothing to do.
            let _ = running.commands.send(command);
        }
    }
}

impl NetworkBackend for Gateway {
    fn start(&mut self, spec: &NetworkSpec, reports: Reports) -> Result<Attachment, NetworkError> {
        let services =
            self.services.take().ok_or_else(|| NetworkError::new("the gateway was started before"))?;
        let failed =
            |what| move |error| NetworkError::io(format!("start the network gateway: {what}"), error);
        let (socket, theirs) = link::pair().map_err(failed("make a pair of sockets"))?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // The loop is often busy for many turns in a row, and sockets are not to wait for so long.
            .event_interval(2)
            .build()
            .map_err(failed("make its event loop"))?;
        let link = {
            let _inside = runtime.enter();
            Link::new(socket, &spec.limits).map_err(failed("watch its socket"))?
        };
        let parts = Parts {
            link: spec.link.clone(),
            decide: services.decide,
            names: services.names,
            inspector: services.inspector,
            slots: Slots::new(&spec.limits, reports.clone()),
            reports,
            proxy: spec.proxy.clone().map(Arc::new),
            patience: self.patience,
            offload: self.offload,
        };
        let (commands, received) = mpsc::unbounded_channel();
        let make_datagrams = services.datagrams;
        let serve = move || {
            runtime.block_on(async move {
                let (sender, frames) = FrameSender::new();
                let datagrams = make_datagrams(datagram_context(&parts, sender));
                let _ended = Run::new(parts, link, datagrams, frames, received).await;
            });
            // Waiting for a look-up of the proxy's name would hold up the end.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("gateway".into()).spawn(serve);
        let thread = thread.map_err(failed("start its thread"))?;
        self.running = Some(Running { commands, thread });
        Ok(Attachment { socket: theirs, offload: self.offload })
    }

    fn set_policy(&self, policy: &Policy) -> Result<(), NetworkError> {
        self.decide.set_policy(policy);
        self.tell(Command::Recheck);
        Ok(())
    }

    fn set_secrets(&self, secrets: &[SecretSpec]) -> Result<(), NetworkError> {
        match &self.inspector {
            Some(inspector) => inspector.set_secrets(secrets),
            None if secrets.is_empty() => Ok(()),
            None => Err(NetworkError::new("this gateway does not look into connections")),
        }
    }

    fn authority(&self) -> Option<String> {
        self.inspector.as_ref()?.authority()
    }

    fn stop(&mut self) {
        if let Some(Running { commands, thread }) = self.running.take() {
            let _ = commands.send(Command::Stop);
            let _ = thread.join();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop();
    }
}

fn datagram_context(parts: &Parts, frames: FrameSender) -> DatagramContext {
    DatagramContext {
        link: parts.link.clone(),
        gateway_mac: GATEWAY_MAC,
        frames,
        decide: Arc::clone(&parts.decide),
        names: Arc::clone(&parts.names),
        slots: Arc::clone(&parts.slots),
        reports: parts.reports.clone(),
    }
}
