//! The host's `/etc/resolv.conf` (resolv.conf(5)): whom the host asks, and its search domains. It is read anew when it has changed, since a host
//! changes its networks. Asked by `upstream.rs` at each query, and by whoever configures the box.

use std::{
    fs::{self, File},
    io::Read,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use boxlite_spec::network::DnsSpec;
use nix::net::if_::if_nametoindex;

/// Where the host has its settings.
pub(super) const PATH: &str = "/etc/resolv.conf";
/// The port of name servers.
pub(super) const PORT: u16 = 53;
/// Most bytes of the file that are read.
const READ_MAX: u64 = 64 << 10;
/// Most servers that are asked.
const SERVERS_MAX: usize = 8;
/// Most bytes of all search domains with a space between two: what every C library reads. A longer list is cut, since one that is too long
/// would be ignored as a whole.
const SEARCH_MAX: usize = 255;

/// The search domains for a box: those that the user chose, else the host's own, as many as every C library reads.
pub fn search_domains(spec: &DnsSpec) -> Vec<String> {
    let host = || ResolvConf::new(PATH).settings().search.clone();
    bounded(spec.search.clone().unwrap_or_else(host))
}

fn bounded(domains: Vec<String>) -> Vec<String> {
    let mut length = 0;
    let fits = |domain: &String| {
        length += domain.len() + usize::from(length > 0);
        length <= SEARCH_MAX
    };
    domains.into_iter().take_while(fits).collect()
}

/// The file, and what was read of it last.
#[derive(Debug)]
pub(super) struct ResolvConf {
    path: PathBuf,
    read: Mutex<Option<(Stamp, Arc<Settings>)>>,
}

/// Tells one state of a file from another: device, inode, time of change in seconds and nanoseconds, length.
type Stamp = (u64, u64, i64, i64, u64);

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// The servers, in the order in which they are asked.
    pub(super) servers: Vec<SocketAddr>,
    /// The search domains.
    pub(super) search: Vec<String>,
}

impl ResolvConf {
    /// The file at `path`.
    pub(super) fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), read: Mutex::default() }
    }

    /// What the file says now. While it can't be read, what it said last; at first, a server on the host itself (resolv.conf(5)).
    pub(super) fn settings(&self) -> Arc<Settings> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = fs::metadata(&self.path)
            .map(|file| (file.dev(), file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
            .ok();
        if let Some((_, settings)) =
            read.as_ref().filter(|(known, _)| stamp.is_none_or(|stamp| *known == stamp))
        {
            return Arc::clone(settings);
        }
        match (stamp, text_of(&self.path)) {
            (Some(stamp), Some(text)) => {
                let settings = Arc::new(parse(&text));
                *read = Some((stamp, Arc::clone(&settings)));
                settings
            }
            _ => read.as_ref().map_or_else(|| Arc::new(parse("")), |(_, settings)| Arc::clone(settings)),
        }
    }
}

fn text_of(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(READ_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn parse(text: &str) -> Settings {
    let (mut servers, mut search) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("nameserver") => servers.extend(words.next().and_then(server)),
            // The last of these lines counts.
            Some("search" | "domain") => search = words.filter_map(domain).collect(),
            _ => {}
        }
    }
    servers.truncate(SERVERS_MAX);
    if servers.is_empty() {
        servers.push((Ipv4Addr::LOCALHOST, PORT).into());
    }
    Settings { servers, search }
}

/// Reads the address of a server. A link-local one names its interface: `fe80::1%eth0`.
fn server(text: &str) -> Option<SocketAddr> {
    let Some((address, interface)) = text.split_once('%') else {
        return Some((text.parse::<IpAddr>().ok()?, PORT).into());
    };
    let scope = interface.parse().ok().or_else(|| if_nametoindex(interface).ok())?;
    Some(SocketAddrV6::new(address.parse().ok()?, PORT, 0, scope).into())
}

/// Reads a search domain. It goes into a file of the box, so that only what a name may have is taken.
fn domain(text: &str) -> Option<String> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    (is_name && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_as_the_manual_says() {
        let text = "# comment\nnameserver 192.0.2.1\nnameserver ::1 # mine\nnameserver fe80::1%lo\nnameserver bad\n\
                    domain old.test\nsearch corp.test. . LAB.test $x\noptions ndots:2\n";
        let read = parse(text);
        let [first, second, third] = read.servers[..] else { panic!("{read:?}") };
        assert_eq!((first, second), ("192.0.2.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()));
        let SocketAddr::V6(third) = third else { panic!("{third}") };
        assert!(third.scope_id() > 0);
        assert_eq!(read.search, ["corp.test", "lab.test"]);
        assert_eq!(parse("").servers, ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn network_pitfalls_upstream_choice_the_file_is_read_anew_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        let file = ResolvConf::new(&path);
        let first = |address: &str| SocketAddr::new(address.parse().unwrap(), PORT);
        assert_eq!(file.settings().servers, [first("127.0.0.1")]);
        fs::write(&path, "nameserver 192.0.2.1\n").unwrap();
        assert_eq!(file.settings().servers, [first("192.0.2.1")]);
        // As network managers do: another file takes its place.
        let next = folder.path().join("next");
        fs::write(&next, "nameserver 192.0.2.2\n").unwrap();
        fs::rename(&next, &path).unwrap();
        assert_eq!(file.settings().servers, [first("192.0.2.2")]);
        // While it is away, what it said counts.
        fs::remove_file(&path).unwrap();
        assert_eq!(file.settings().servers, [first("192.0.2.2")]);
    }

    #[test]
    fn network_pitfalls_search_domains_are_passed_on_and_bounded() {
        let many: Vec<String> = (0..1000).map(|i| format!("d{i}.corp.test")).collect();
        let spec = DnsSpec { search: Some(many.clone()), ..DnsSpec::default() };
        let taken = search_domains(&spec);
        assert!(taken.len() > 10 && taken.join(" ").len() <= SEARCH_MAX, "{taken:?}");
        assert_eq!(taken, many[..taken.len()]);
        let few = DnsSpec { search: Some(many[..3].to_vec()), ..DnsSpec::default() };
        assert_eq!(search_domains(&few), many[..3]);
    }
}
