//! What a container has of the network: resolv.conf, lines of /etc/hosts, authorities, and the device.
//!
//! Made by `network` when the machine is set up; added by the Container service to the request that makes the container. Like all files
//! of the rootfs that the runtime writes, they stay as a user has edited them.

use boxlite_proto::v1::{ContainerInitRequest, File, NetworkConfig};
use bytes::Bytes;

use super::device::Device;
use crate::Result;

/// The most search domains, and the most bytes of them, that any resolver reads (resolv.conf(5)).
const SEARCH: (usize, usize) = (6, 256);

/// The most name servers that a resolver asks (`MAXNS`).
const SERVERS: usize = 3;

/// The configuration of the network: the device that is to be brought up, and what files follow from it.
#[derive(Debug, Clone, Default)]
pub struct Configured {
    resolver: Option<String>,
    hosts: Vec<String>,
    ca_certificates: Bytes,
    device: Option<Device>,
}

impl Configured {
    pub(super) fn new(config: &NetworkConfig, device: Device) -> Self {
        let NetworkConfig { dns_servers, dns_search, hosts, ca_certificates, .. } = config;
        Self {
            resolver: Some(resolver(dns_servers, dns_search)),
            hosts: hosts.clone(),
            ca_certificates: ca_certificates.clone(),
            device: Some(device),
        }
    }

    /// Brings the network device up. This comes last in a start: the kernel then takes megabytes for what the device may receive, which
    /// nobody writes to for long. Taken first, they would be those that the host has given already, and everything else would go to
    /// memory that it has yet to give.
    ///
    /// # Errors
    ///
    /// The kernel refuses a step.
    pub fn raise(&self) -> Result<()> {
        self.device.as_ref().map_or(Ok(()), Device::raise)
    }

    /// The certificates of the box with one more authority. `None` if it is among them.
    pub fn trusting(&self, authority: &[u8]) -> Option<Bytes> {
        let known = self.ca_certificates.windows(authority.len().max(1)).any(|part| part == authority);
        (!authority.is_empty() && !known).then(|| [&self.ca_certificates, authority].concat().into())
    }

    /// Adds the files to the request.
    pub fn add_to(&self, request: &mut ContainerInitRequest) {
        if let Some(resolver) = &self.resolver {
            let content = resolver.clone().into_bytes().into();
            request.files.push(File { path: "/etc/resolv.conf".to_owned(), content, mode: 0o644 });
        }
        if let Some(hosts) = request.files.iter_mut().find(|file| file.path == "/etc/hosts") {
            let mut content = hosts.content.to_vec();
            for line in &self.hosts {
                content.extend(line.bytes().chain(*b"\n"));
            }
            hosts.content = content.into();
        }
        request.ca_certificates = self.ca_certificates.clone();
    }
}

/// Returns resolv.conf. Resolvers differ in what they do with more than the bounds.
fn resolver(servers: &[String], search: &[String]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for server in servers.iter().take(SERVERS) {
        // Writing to a String can't fail.
        let _ = writeln!(text, "nameserver {server}");
    }
    let mut line = String::from("search");
    for domain in search.iter().take(SEARCH.0) {
        if line.len() + 1 + domain.len() > SEARCH.1 {
            break;
        }
        line.push(' ');
        line.push_str(domain);
    }
    if line.len() > "search".len() {
        let _ = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> NetworkConfig {
        NetworkConfig {
            dns_servers: vec!["192.168.127.1".into()],
            dns_search: vec!["corp.example".into()],
            hosts: vec!["192.168.127.254 host.boxlite.internal".into()],
            ca_certificates: Bytes::from_static(b"pem"),
            ..Default::default()
        }
    }

    #[test]
    fn files_follow_from_the_configuration() {
        let hosts = File {
            path: "/etc/hosts".into(),
            content: Bytes::from_static(b"127.0.0.1\tlocalhost\n"),
            mode: 0,
        };
        let mut request = ContainerInitRequest { files: vec![hosts.clone()], ..Default::default() };
        Configured::new(&config(), Device::default()).add_to(&mut request);
        assert_eq!(request.files[0].content, "127.0.0.1\tlocalhost\n192.168.127.254 host.boxlite.internal\n");
        assert_eq!(request.files[1].path, "/etc/resolv.conf");
        assert_eq!(request.files[1].content, "nameserver 192.168.127.1\nsearch corp.example\n");
        assert_eq!(request.ca_certificates, "pem");

        let mut request = ContainerInitRequest { files: vec![hosts.clone()], ..Default::default() };
        Configured::default().add_to(&mut request);
        assert_eq!(request.files, [hosts]);
    }

    #[test]
    fn an_authority_is_added_once_beside_those_of_the_start() {
        let configured = Configured::new(&config(), Device::default());
        assert_eq!(configured.trusting(b"new").unwrap(), "pemnew");
        assert_eq!(Configured::default().trusting(b"new").unwrap(), "new");
        assert_eq!((configured.trusting(b"pem"), configured.trusting(b"")), (None, None));
    }

    #[test]
    fn search_domains_are_bounded() {
        let many: Vec<_> = (0..100).map(|index| format!("d{index}.example")).collect();
        assert_eq!(resolver(&[], &many).matches("example").count(), 6);
        let long = vec!["x".repeat(200), "y".repeat(60)];
        assert_eq!(resolver(&[], &long), format!("search {}\n", "x".repeat(200)));
        assert_eq!(resolver(&[], &["z".repeat(300)]), "");
    }
}
