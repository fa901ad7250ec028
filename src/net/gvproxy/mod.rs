//! The backend `gvproxy`: the external program of that name (gvisor-tap-vsock), which has TCP, UDP, DNS and DHCP of its own and knows
//! no policy. Made by the shim.
//!
//! `program` starts the process and ends it, `api` asks it by HTTP, `relay` passes frames between the machine and it, through the
//! [packet filter](crate::packet_filter), and `serve` keeps all of this going on one thread: a program that ends is reported and started
//! again, while the machine keeps its link. The program ends with the thread, and thus with the shim, in every way in which that can end.
//!
//! Ports of the box are published by the agent as for every backend (`src/net/publish`), not by the program: it reaches no service
//! on the box's own 127.0.0.1, and accepts connections before the box does.

mod api;
mod program;
mod relay;
mod serve;
#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
};

use boxlite_spec::network::{BackendKind, NetworkSpec, rule::Policy, secret::SecretSpec};
use tokio::{runtime, sync::oneshot};

use self::{api::Api, program::Recipe, relay::Relay, serve::Serve};
use crate::{
    backend::{Attachment, NetworkBackend, NetworkError, Reports},
    gateway::link::{self, Link},
    packet_filter::{FilterPolicy, PacketFilter},
};

const NAME: &str = BackendKind::Gvproxy.as_str();

/// The backend.
#[derive(Debug)]
pub struct Gvproxy {
    policy: Arc<FilterPolicy>,
    api: Arc<Api>,
    folder: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Gvproxy {
    /// A backend that has not been started. The program's sockets are in `folder`, which belongs to the box.
    pub fn new(spec: &NetworkSpec, folder: PathBuf, reports: &Reports) -> Self {
        let api = Arc::new(Api::new(folder.join(program::API), Arc::clone(&reports.counters)));
        Self { policy: FilterPolicy::new(spec), api, folder, running: None }
    }
}

impl NetworkBackend for Gvproxy {
    fn start(&mut self, spec: &NetworkSpec, reports: Reports) -> Result<Attachment, NetworkError> {
        if self.running.is_some() {
            return Err(NetworkError::new("gvproxy was started before"));
        }
        let failed = |what| move |error| NetworkError::io(format!("start gvproxy: {what}"), error);
        let recipe = Recipe::new(spec, self.folder.clone())?;
        let (socket, theirs) = link::pair().map_err(failed("make a pair of sockets"))?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(failed("make its event loop"))?;
        let link = {
            let _inside = runtime.enter();
            Link::new(socket, &spec.limits).map_err(failed("watch its socket"))?
        };
        let filter =
            PacketFilter::new(spec.link.clone(), Arc::clone(&self.policy), reports.clone()).without_echo();
        let relay = Relay::new(link, filter, &reports.counters);
        let serve = Serve { recipe, relay, api: Arc::clone(&self.api), reports };
        let (started, starting) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        // The program is a child of this thread, and the kernel ends it with the thread.
        let run = move || {
            runtime.block_on(serve.run(|first| _ = started.send(first), stopped));
            runtime.shutdown_background();
        };
        let thread =
            thread::Builder::new().name(NAME.into()).spawn(run).map_err(failed("start its thread"))?;
        match starting.recv_timeout(program::PATIENCE + program::PATIENCE) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let _ = thread.join();
                return Err(error);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Err(NetworkError::new("start gvproxy: its thread does not answer"));
            }
        }
        self.running = Some(Running { stop, thread });
        Ok(Attachment { socket: theirs, offload: false })
    }

    fn set_policy(&self, policy: &Policy) -> Result<(), NetworkError> {
        self.policy.set(NAME, policy)
    }

    fn set_secrets(&self, secrets: &[SecretSpec]) -> Result<(), NetworkError> {
        if secrets.is_empty() {
            return Ok(());
        }
        Err(NetworkError::new("backend `gvproxy` can't do this: it does not look into connections"))
    }

    fn count(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.api.count())
    }

    fn stop(&mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

impl Drop for Gvproxy {
    fn drop(&mut self) {
        self.stop();
    }
}
