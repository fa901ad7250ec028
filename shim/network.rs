//! The network of a box: its backend, its published ports and its control socket, on threads of their own. Called by `machine` before the
//! machine is entered; calls `boxlite_net`.

use std::sync::Arc;

use boxlite_net::{
    backend::{NetworkBackend, NetworkError, Reports},
    dns,
    gateway::{
        Gateway, Services,
        datagrams::{self, Lease},
        inspector::Inspector,
        intercept::Intercept,
    },
    gvproxy::Gvproxy,
    host::Host,
    policy::Egress,
    slirp::Libslirp,
};
use boxlite_spec::{
    InstanceSpec, ShimExit, ShimReport, VmmKind,
    network::{BackendKind, NetworkSpec, control::FailureKind},
};
use boxlite_vmm::NetworkDevice;

/// The running network of a box. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Network {
    _host: Host,
}

impl Network {
    /// Starts what `spec` asks for. Returns the machine's network device besides, if it has one.
    pub(crate) fn start(spec: &InstanceSpec) -> Result<(Self, Option<NetworkDevice>), ShimReport> {
        let failed = |error: NetworkError| ShimReport {
            hint: error.hint().map(str::to_owned),
            ..ShimReport::new(exit_of(&error), format!("the network: {error}"))
        };
        let reports = Reports::default();
        let mut backend: Option<Arc<dyn NetworkBackend>> = None;
        let mut device = None;
        if let Some(network) = &spec.network {
            // QEMU's stream of frames has no offloads.
            let offload = spec.engine == VmmKind::Krun;
            let mut made = make(network, offload, &reports).map_err(failed)?;
            let attachment = made.start(network, reports.clone()).map_err(failed)?;
            device = Some(NetworkDevice {
                socket: attachment.socket,
                offload: attachment.offload,
                mac: network.link.mac,
            });
            backend = Some(Arc::from(made));
        }
        let host = Host::start(spec, backend, reports).map_err(|error| host_failed(&error))?;
        Ok((Self { _host: host }, device))
    }
}

/// How the shim ends for a backend that could not be started.
fn exit_of(error: &NetworkError) -> ShimExit {
    if error.is_shortage() { ShimExit::Resource } else { ShimExit::Network }
}

/// Makes the backend of a box, which has not been started.
fn make(
    spec: &NetworkSpec,
    offload: bool,
    reports: &Reports,
) -> Result<Box<dyn NetworkBackend>, NetworkError> {
    match spec.backend {
        BackendKind::Gateway => Ok(Box::new(gateway(spec, offload, reports)?)),
        // This process works in the box's folder.
        BackendKind::Gvproxy => Ok(Box::new(Gvproxy::new(spec, ".".into(), reports))),
        BackendKind::Libslirp => Ok(Box::new(Libslirp::new(spec))),
    }
}

fn gateway(spec: &NetworkSpec, offload: bool, reports: &Reports) -> Result<Gateway, NetworkError> {
    let egress = Egress::new(spec);
    let names = dns::Server::new(spec, Arc::clone(&egress), reports.clone());
    let intercept = Intercept::new(spec, egress, reports.clone())?;
    let decide = intercept.decide();
    let inspector: Arc<dyn Inspector> = Arc::new(intercept);
    let lease = Lease { hostname: None, search: dns::search_domains(&spec.dns) };
    let services = Services { decide, names, inspector: Some(inspector), datagrams: datagrams::make(lease) };
    Ok(Gateway::new(services, offload))
}

/// The report of ports that can't be published, or of a control socket that can't be opened.
fn host_failed(error: &boxlite_net::host::HostError) -> ShimReport {
    let exit = match error.kind {
        FailureKind::AddressInUse => ShimExit::PortInUse,
        FailureKind::AddressDenied => ShimExit::PortDenied,
        FailureKind::Unsupported | FailureKind::Other => ShimExit::Resource,
    };
    ShimReport::new(exit, format!("the network: {error}"))
}
