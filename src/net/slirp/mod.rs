//! The backend `libslirp`: the system's library of that name, which has TCP, UDP, ICMP and DNS of its own and knows no policy. Made by the
//! shim.
//!
//! `library` loads it at run time, so that nothing is linked and only who chooses it needs it; `stack` is an instance of it behind safe
//! calls. `run` is the one thread that drives it: frames from the `link` pass the `gate`, which keeps from a library in C what no honest
//! machine sends and answers DHCP itself, and the [packet filter](crate::packet_filter), which keeps the policy. `peers` lets only those send datagrams to the box to
//! whom it has sent some.
//!
//! Ports of the box are published by the agent as for every backend (`src/net/publish`), not by libslirp: it reaches no service on the
//! box's own 127.0.0.1, and accepts connections before the box does.

mod gate;
#[cfg(any(test, fuzzing))]
pub mod hostile;
mod library;
mod link;
mod peers;
mod run;
mod stack;
#[cfg(test)]
mod tests;

use std::{
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use boxlite_spec::network::{
    BackendKind, NetworkSpec,
    rule::{Group, Policy, Target},
    secret::SecretSpec,
};

use self::{gate::Gate, library::Library, link::Link, run::Run, stack::Stack};
use crate::{
    backend::{Attachment, NetworkBackend, NetworkError, Reports},
    dns::search_domains,
    gateway::{datagrams::Lease, link::pair},
    packet_filter::{FilterPolicy, PacketFilter},
};

const NAME: &str = BackendKind::Libslirp.as_str();

/// The backend.
#[derive(Debug)]
pub struct Libslirp {
    policy: Arc<FilterPolicy>,
    /// Whether the policy at the start allows something of the host's 127.0.0.1. libslirp itself keeps it closed otherwise.
    opens_host: bool,
    replaced: Arc<AtomicBool>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: UnixStream,
    thread: thread::JoinHandle<()>,
}

impl Libslirp {
    /// A backend that has not been started.
    pub fn new(spec: &NetworkSpec) -> Self {
        Self {
            policy: FilterPolicy::new(spec),
            opens_host: opens_host(&spec.policy),
            replaced: Arc::default(),
            running: None,
        }
    }
}

impl NetworkBackend for Libslirp {
    fn start(&mut self, spec: &NetworkSpec, reports: Reports) -> Result<Attachment, NetworkError> {
        if self.running.is_some() {
            return Err(NetworkError::new("libslirp was started before"));
        }
        let failed = |what| move |error| NetworkError::io(format!("start libslirp: {what}"), error);
        let library = Library::load(spec.program.as_deref())?;
        let (socket, theirs) = pair().map_err(failed("make a pair of sockets"))?;
        let (stop, stopped) = UnixStream::pair().map_err(failed("make a pair of sockets"))?;
        let filter = PacketFilter::new(spec.link.clone(), Arc::clone(&self.policy), reports.clone());
        let (link, opens_host, most) = (spec.link.clone(), self.opens_host, spec.limits.connections);
        let replaced = Arc::clone(&self.replaced);
        let lease = Lease { hostname: None, search: search_domains(&spec.dns) };
        let (started, starting) = mpsc::channel();
        let serve = move || {
            // The instance is made on the thread that drives it, and stays there.
            let made = Stack::new(library, &link, opens_host, Arc::clone(&reports.counters));
            let run = made.map(|stack| Run {
                link: Link::new(socket),
                gate: Gate::new(link.clone()),
                addresses: link,
                lease,
                filter,
                stack,
                reports,
                most,
                stop: stopped,
                replaced,
            });
            match run {
                Ok(run) => {
                    let _ = started.send(Ok(()));
                    run.run();
                }
                Err(error) => _ = started.send(Err(error)),
            }
        };
        let thread = thread::Builder::new().name(NAME.into()).spawn(serve);
        let thread = thread.map_err(failed("start its thread"))?;
        let begun =
            starting.recv().unwrap_or_else(|_| Err(NetworkError::new("start libslirp: its thread ended")));
        if let Err(error) = begun {
            let _ = thread.join();
            return Err(error);
        }
        self.running = Some(Running { stop, thread });
        Ok(Attachment { socket: theirs, offload: false })
    }

    fn set_policy(&self, policy: &Policy) -> Result<(), NetworkError> {
        if opens_host(policy) && !self.opens_host {
            let why = "backend `libslirp` can't do this: a box that was started without a rule that allows `host` gets none while it runs";
            return Err(NetworkError::new(why));
        }
        self.policy.set(NAME, policy)?;
        self.replaced.store(true, Relaxed);
        Ok(())
    }

    fn set_secrets(&self, secrets: &[SecretSpec]) -> Result<(), NetworkError> {
        if secrets.is_empty() {
            return Ok(());
        }
        Err(NetworkError::new("backend `libslirp` can't do this: it does not look into connections"))
    }

    fn stop(&mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

impl Drop for Libslirp {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether a policy may allow something of the host's 127.0.0.1.
fn opens_host(policy: &Policy) -> bool {
    policy.allow.iter().flatten().any(|rule| match &rule.target {
        Target::Group(group) => *group == Group::Host,
        Target::Net(net) => net.contains(&std::net::IpAddr::from([127, 0, 0, 1])),
        Target::Name(_) | Target::Below(_) => false,
    })
}
