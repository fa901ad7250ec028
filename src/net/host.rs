//! `Host`: what the host has of a box's network besides its backend: the published ports and the control socket, on one thread. Started by the
//! shim before the machine is entered; calls `publish` and `control`.

use std::{fmt, io, sync::Arc, thread, time::Duration};

use boxlite_spec::{InstanceSpec, network::control::FailureKind};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
};

use crate::{
    backend::{NetworkBackend, NetworkError, Reports},
    control::{answer::Answerer, server},
    publish::{
        dialer::Dialer,
        publisher::{PublishError, Publisher},
    },
    record::Record,
    socket,
};

/// How long sockets may take to be closed at the end.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// The published ports and the control socket of one box. They are closed when this is dropped.
#[derive(Debug)]
pub struct Host {
    running: Option<(oneshot::Sender<()>, thread::JoinHandle<()>)>,
}

impl Host {
    /// Starts to serve what `spec` asks for: its published ports, which need `spec.transport.dial`, and its control socket. `backend` is the
    /// box's started backend, `None` if it has no network; `reports` are those that the backend reports to. A box for which nothing is
    /// to be served gets no thread.
    ///
    /// # Errors
    /// If a port or the control socket can't be listened on, or if there can be no more threads.
    pub fn start(
        spec: &InstanceSpec,
        backend: Option<Arc<dyn NetworkBackend>>,
        reports: Reports,
    ) -> Result<Self, HostError> {
        if spec.control.is_none() && spec.publish.is_empty() {
            return Ok(Self { running: None });
        }
        let failed = |error| NetworkError::io("start the thread of published ports", error);
        let control = spec.control.as_deref();
        let listener = control.map(|path| {
            let what = || format!("listen on {}", path.display());
            socket::listen(path).map_err(|error| NetworkError::io(what(), error))
        });
        let listener = listener.transpose()?;
        let runtime = Builder::new_current_thread().enable_io().enable_time().build().map_err(failed)?;
        let publisher = match publisher(spec, &reports, &runtime) {
            Ok(publisher) => publisher,
            Err(error) => {
                // Its caller may be on a runtime of its own, where none may be waited for.
                runtime.shutdown_background();
                return Err(error);
            }
        };
        // Without the file, what passed since the last reading is missing in totals, which is no reason to have no network.
        let record = spec.counters.as_deref().and_then(|path| Record::create(path).ok());
        let counters = Arc::clone(&reports.counters);
        let answerer = Arc::new(Answerer::new(backend, publisher, reports));
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                let control =
                    listener.map(|(listener, user)| tokio::spawn(server::serve(listener, user, answerer)));
                match &record {
                    Some(record) => {
                        tokio::select! {
                            _ = stopped => {}
                            () = record.keep(&counters) => {}
                        }
                        record.write(&counters);
                    }
                    None => _ = stopped.await,
                }
                if let Some(control) = control {
                    control.abort();
                }
            });
            runtime.shutdown_timeout(SHUTDOWN);
        };
        let thread = thread::Builder::new().name("published".into()).spawn(serve).map_err(failed)?;
        Ok(Self { running: Some((stop, thread)) })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

/// The publisher, with the ports that are published from the start.
fn publisher(spec: &InstanceSpec, reports: &Reports, runtime: &Runtime) -> Result<Publisher, HostError> {
    let Some(dial) = &spec.transport.dial else {
        let missing = || io::Error::other("the box has no dialer");
        return match spec.publish.first() {
            Some(port) => Err(NetworkError::io(format!("publish port {}", port.guest), missing()).into()),
            None => Ok(Publisher::new(Dialer::new("".as_ref()), reports.clone(), 0)),
        };
    };
    let limits = spec.network.as_ref().map(|network| network.limits).unwrap_or_default();
    let publisher = Publisher::new(Dialer::new(dial), reports.clone(), limits.connections);
    let _entered = runtime.enter();
    for port in &spec.publish {
        publisher.publish(*port)?;
    }
    Ok(publisher)
}

/// What could not be served from the start on.
#[derive(Debug)]
pub struct HostError {
    /// The kind of failure, of a port that can't be published.
    pub kind: FailureKind,
    message: String,
}

impl From<NetworkError> for HostError {
    fn from(error: NetworkError) -> Self {
        Self { kind: FailureKind::Other, message: error.to_string() }
    }
}

impl From<PublishError> for HostError {
    fn from(error: PublishError) -> Self {
        Self { kind: error.kind, message: error.to_string() }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HostError {}

#[cfg(test)]
mod tests;
