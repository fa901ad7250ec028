//! A host with its folder, an agent that dials, and the requests that tests send to its control socket.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use boxlite_spec::{
    InstanceSpec, SPEC_VERSION, TransportSpec, VmmKind,
    network::{
        NetworkLimits, NetworkSpec,
        control::{Reply, Request},
        port::PublishSpec,
    },
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
};

use super::{
    super::{Host, HostError},
    agent::serve_dial,
};
use crate::backend::{NetworkBackend, Reports};

/// A host with its folder, and the reports that it was given.
pub(super) struct Fixture {
    pub(super) host: Option<Host>,
    pub(super) folder: tempfile::TempDir,
    pub(super) reports: Reports,
}

impl Fixture {
    pub(super) fn new(publish: &[PublishSpec]) -> Self {
        Self::with(publish, None, None).unwrap()
    }

    pub(super) fn with(
        publish: &[PublishSpec],
        network: Option<NetworkSpec>,
        backend: Option<Arc<dyn NetworkBackend>>,
    ) -> Result<Self, HostError> {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("dial.sock")).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_dial(stream));
            }
        });
        let mut spec = spec(folder.path());
        spec.publish = publish.to_vec();
        spec.network = network;
        let reports = Reports::default();
        let host = Host::start(&spec, backend, reports.clone())?;
        Ok(Self { host: Some(host), folder, reports })
    }

    pub(super) fn control(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    pub(super) async fn ask(&self, request: &Request) -> Reply {
        let line = serde_json::to_vec(request).unwrap();
        self.send(&[line, b"\n".to_vec()].concat()).await
    }

    pub(super) async fn send(&self, bytes: &[u8]) -> Reply {
        let mut stream = UnixStream::connect(self.control()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    pub(super) async fn ports(&self, request: &Request) -> Vec<PublishSpec> {
        match self.ask(request).await {
            Reply::Ports { ports } => ports,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn publish(&self, port: PublishSpec) -> SocketAddr {
        let ports = self.ports(&Request::Publish { port }).await;
        SocketAddr::new(ports[0].bind, ports[0].host)
    }
}

fn spec(folder: &Path) -> InstanceSpec {
    let nowhere = || folder.join("nowhere");
    InstanceSpec {
        version: SPEC_VERSION,
        box_id: "b".into(),
        engine: VmmKind::Qemu,
        cpus: 1,
        memory_mib: 128,
        kernel: nowhere(),
        initramfs: nowhere(),
        disks: Vec::new(),
        transport: TransportSpec {
            portal: nowhere(),
            ready: nowhere(),
            clock: None,
            dial: Some(folder.join("dial.sock")),
        },
        console: nowhere(),
        lock: nowhere(),
        attached: true,
        journal: None,
        network: None,
        publish: Vec::new(),
        control: Some(folder.join("control.sock")),
        counters: None,
        deadline_ms: 0,
        qemu: None,
    }
}

pub(super) fn network(connections: u32) -> NetworkSpec {
    serde_json::from_value(serde_json::json!({
        "backend": "gateway",
        "link": {
            "mac": [2, 0, 0, 0, 0, 1],
            "mtu": 1500,
            "v4": { "guest": "10.0.0.2", "gateway": "10.0.0.1", "host": "10.0.0.254", "prefix": 24 },
        },
        "policy": {},
        "dns": {},
        "limits": NetworkLimits { connections, ..NetworkLimits::default() },
    }))
    .unwrap()
}
