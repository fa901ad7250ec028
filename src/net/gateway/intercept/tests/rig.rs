//! The gateway's part of a connection: it holds the first bytes back, asks the inspector, and does what the verdict says. Clients connect
//! to it as the box connects to the internet.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use boxlite_spec::network::{
    NetworkSpec,
    rule::{Policy, Protocol},
    secret::SecretSpec,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, copy_bidirectional, duplex},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::super::{Intercept, first_bytes::FirstBytes};
use crate::{
    backend::Reports,
    decision::{Allowed, Decide, Decision, Destination, Refused},
    gateway::inspector::{Inspector, Intercepted, Verdict},
    sample::network,
};

/// An address that was resolved from an allowed name.
pub(super) const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

/// A policy that allows some names, or everything.
#[derive(Debug, Default)]
pub(super) struct Names(pub(super) Option<Vec<&'static str>>);

impl Names {
    pub(super) fn allowed(&self) -> Allowed {
        let name = self.0.as_ref().map(|names| names[0].to_owned());
        Allowed { dial: (ADDRESS, 443).into(), by_name: name.is_some(), name }
    }
}

impl Decide for Names {
    fn decide(&self, _: Destination) -> Decision {
        Decision::Allowed(self.allowed())
    }

    fn decide_named(&self, _: Destination, name: &str) -> Decision {
        match &self.0 {
            Some(names) if !names.contains(&name) => {
                Decision::Refused(Refused { rule: "default".into(), name: None })
            }
            _ => Decision::Allowed(self.allowed()),
        }
    }

    fn set_policy(&self, _: &Policy) {}
}

#[derive(Clone)]
pub(super) struct Rig {
    pub(super) intercept: Arc<Intercept>,
    pub(super) reports: Reports,
    pub(super) address: SocketAddr,
    verdicts: Arc<Mutex<Vec<Verdict>>>,
}

pub(super) fn to(port: u16) -> Destination {
    Destination { protocol: Protocol::Tcp, address: ADDRESS, port }
}

pub(super) fn secret(value: &str, hosts: &[&str]) -> SecretSpec {
    SecretSpec {
        env: "KEY".into(),
        placeholder: "boxlite-KEY".into(),
        value: value.into(),
        hosts: hosts.iter().map(|&host| host.into()).collect(),
    }
}

pub(super) fn spec(secrets: Vec<SecretSpec>, ca_certificates: &str) -> NetworkSpec {
    NetworkSpec { secrets, ca_certificates: ca_certificates.into(), ..network() }
}

impl Rig {
    /// Passes connections on to `upstream`, as if they had been made to `port` of [`ADDRESS`].
    pub(super) async fn start(names: Names, spec: &NetworkSpec, upstream: SocketAddr, port: u16) -> Self {
        let reports = Reports::default();
        let names = Arc::new(names);
        let intercept =
            Arc::new(Intercept::new(spec, Arc::clone(&names) as Arc<dyn Decide>, reports.clone()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let verdicts = Arc::default();
        let rig = Self { intercept, reports, address, verdicts };
        let (shown, allowed) = (rig.clone(), names.allowed());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let upstream = TcpStream::connect(upstream).await.unwrap();
                tokio::spawn(shown.clone().carry(stream, upstream, to(port), allowed.clone()));
            }
        });
        rig
    }

    async fn carry(self, mut stream: TcpStream, mut upstream: TcpStream, to: Destination, allowed: Allowed) {
        if !self.intercept.wants(to, &allowed) {
            let _ = copy_bidirectional(&mut stream, &mut upstream).await;
            return;
        }
        let mut first = Vec::new();
        let verdict = loop {
            let Ok(1..) = stream.read_buf(&mut first).await else { return };
            match self.intercept.inspect(to, &allowed, &first) {
                Verdict::More => {}
                verdict => break verdict,
            }
        };
        self.verdicts.lock().unwrap().push(verdict.clone());
        match verdict {
            Verdict::Refuse { answer, .. } => {
                let _ = stream.write_all(&answer).await;
            }
            Verdict::Intercept { name } => {
                let (mut ours, from_box): (DuplexStream, _) = duplex(64 * 1024);
                let serving = self.intercept.intercept(Intercepted { to, name, from_box, upstream });
                tokio::spawn(serving);
                ours.write_all(&first).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut ours).await;
            }
            _ => {
                upstream.write_all(&first).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut upstream).await;
            }
        }
    }

    /// The verdict about the last connection.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdicts.lock().unwrap().last().unwrap().clone()
    }

    /// A client that finds every name at the rig and trusts `root`.
    pub(super) fn client(&self, root: &str, http2: bool) -> reqwest::Client {
        let builder = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls(root, http2));
        let builder = if http2 { builder } else { builder.http1_only() };
        ["api.example", "www.example", "other.example"]
            .into_iter()
            .fold(builder, |builder, name| builder.resolve(name, self.address))
            .build()
            .unwrap()
    }

    /// A connection of TLS with a name, or the error of its handshake.
    pub(super) async fn connect(&self, root: &str, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(tls(root, false))).connect(name, stream).await
    }

    pub(super) fn url(&self, scheme: &str, name: &str, path: &str) -> String {
        format!("{scheme}://{name}:{}{path}", self.address.port())
    }
}

fn tls(root: &str, http2: bool) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(root.as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let protocols: &[&[u8]] = if http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|&protocol| protocol.to_vec()).collect();
    config
}

#[test]
fn a_hello_of_a_real_client_has_its_name() {
    let name = ServerName::try_from("api.example").unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(tls("", true)), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    assert_eq!(FirstBytes::read(&hello), FirstBytes::Tls { name: Some("api.example".into()) });
}
