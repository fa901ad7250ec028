//! The doctor's checks of what the host's kernel lets the network of a box do: open sockets, listen on 127.0.0.1 and on low ports, send
//! pings, and have connections by the thousand. Called by `network`. Each check takes what it judges as a value, so that each can be shown
//! a host that lacks it.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use nix::{
    sys::resource::{Resource, getrlimit},
    unistd::{Gid, Uid, getegid, getgroups},
};

use crate::doctor::DoctorCheck;

/// A box's gateway takes one descriptor for each connection, and some of its own.
const FEWEST_FILES: u64 = 4096;
/// Each connection of a box to one and the same server takes a local port of the host.
const FEWEST_LOCAL_PORTS: u32 = 4096;
/// What a host says whose interface `lo` is down.
const DOWN: [io::ErrorKind; 3] =
    [io::ErrorKind::AddrNotAvailable, io::ErrorKind::NetworkUnreachable, io::ErrorKind::HostUnreachable];
/// How many of a hundred places in the kernel's table of connections may be taken.
const MOST_TRACKED: u64 = 90;

/// Every check of the kernel. What this kernel does not tell is not judged.
pub(super) fn examine() -> Vec<DoctorCheck> {
    let setting = |name: &str| fs::read_to_string(format!("/proc/sys/net/{name}")).ok();
    let number = |name: &str| setting(name)?.trim().parse::<u64>().ok();
    // Each process may raise its soft limit to this one, as the shim does.
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(_, hard)| hard);
    let groups: Vec<_> =
        getgroups().unwrap_or_default().into_iter().chain([getegid()]).map(Gid::as_raw).collect();
    let table = number("netfilter/nf_conntrack_count").zip(number("netfilter/nf_conntrack_max"));
    let first = number("ipv4/ip_unprivileged_port_start");
    let mut checks = vec![sockets(reach_itself().err().as_ref()), connections(files)];
    checks.extend(setting("ipv4/ip_local_port_range").and_then(|range| local_ports(&range)));
    checks.extend(table.map(|(count, most)| tracked(count, most)));
    checks.extend(first.map(|first| low_ports(first, Uid::effective().is_root())));
    checks.extend(setting("ipv4/ping_group_range").map(|range| ping_groups(&range, &groups)));
    checks
}

/// Listens on a free port of 127.0.0.1 for a moment and connects to it, as a published port and its client do.
fn reach_itself() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    TcpStream::connect(listener.local_addr()?).map(drop)
}

/// `refused`: why that could not be.
fn sockets(refused: Option<&io::Error>) -> DoctorCheck {
    let code = "network_sockets";
    match refused {
        None => DoctorCheck::good(code, "sockets can be opened, and 127.0.0.1 is reached"),
        Some(error) if DOWN.contains(&error.kind()) => DoctorCheck::bad(
            code,
            format!(
                "127.0.0.1 can't be reached on this host, nor can ports that boxes publish there: {error}"
            ),
            "as root: `ip link set lo up`",
        ),
        Some(error) => DoctorCheck::bad(
            code,
            format!("this process may not open and bind a socket, so boxes reach nothing: {error}"),
            "allow it the address families AF_INET and AF_INET6, as in RestrictAddressFamilies= of its service or in the seccomp profile of its container",
        ),
    }
}

fn connections(files: u64) -> DoctorCheck {
    let amount = if files == u64::MAX { "any number of".to_owned() } else { files.to_string() };
    let message = format!("the gateway of a box may open {amount} files, one for each connection");
    let remedy = "raise the hard limit: `ulimit -Hn 65536`, or LimitNOFILE= of its service";
    DoctorCheck::judged(files >= FEWEST_FILES, "network_open_files", message, remedy)
}

/// `range`: the first and the last port that the kernel gives to connections (ip(7)).
fn local_ports(range: &str) -> Option<DoctorCheck> {
    let mut bounds = range.split_ascii_whitespace().map(str::parse::<u32>);
    let (first, last) = (bounds.next()?.ok()?, bounds.next()?.ok()?);
    let ports = last.saturating_sub(first).saturating_add(1);
    let message = format!(
        "boxes may have {ports} connections to one server at a time, the ports {first} to {last} of this host"
    );
    let remedy = "as root: `sysctl -w net.ipv4.ip_local_port_range=\"32768 60999\"`";
    Some(DoctorCheck::judged(ports >= FEWEST_LOCAL_PORTS, "network_local_ports", message, remedy))
}

/// The table of connections that a firewall or NAT of the host keeps: when it is full, new connections are lost without a word.
fn tracked(count: u64, most: u64) -> DoctorCheck {
    // 0 is no bound.
    let ok = most == 0 || count.saturating_mul(100) <= most.saturating_mul(MOST_TRACKED);
    let message = format!("this host tracks {count} connections, of {most} at most");
    let remedy =
        "end what makes so many connections, or as root: `sysctl -w net.netfilter.nf_conntrack_max=1048576`";
    DoctorCheck::judged(ok, "network_tracking", message, remedy)
}

/// `first`: the first port on which every user may listen (ip(7)). It is no fault that there are ports below it.
fn low_ports(first: u64, is_root: bool) -> DoctorCheck {
    let message = if is_root || first <= 1 {
        "ports of boxes can be published on every port of this host".to_owned()
    } else {
        format!(
            "ports of boxes can be published on ports from {first} on (net.ipv4.ip_unprivileged_port_start); those below are root's"
        )
    };
    DoctorCheck::good("network_low_ports", message)
}

/// `range`: the groups whose processes may send echo requests without privileges (icmp(7)).
fn ping_groups(range: &str, groups: &[u32]) -> DoctorCheck {
    let mut bounds = range.split_ascii_whitespace().filter_map(|bound| bound.parse::<u32>().ok());
    let (first, last) = (bounds.next().unwrap_or(1), bounds.next().unwrap_or(0));
    let ok = groups.iter().any(|group| (first..=last).contains(group));
    let message = if ok {
        "boxes may ping, as net.ipv4.ping_group_range allows it to this user"
    } else {
        "boxes can't ping other hosts, as net.ipv4.ping_group_range excludes this user"
    };
    let remedy = "as root: `sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"`";
    DoctorCheck::judged(ok, "network_ping", message, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_want_has_its_remedy() {
        let error = |number| io::Error::from_raw_os_error(number);
        let (unreachable, denied) = (error(nix::libc::ENETUNREACH), error(nix::libc::EAFNOSUPPORT));
        for (check, code, remedy) in [
            (sockets(Some(&unreachable)), "network_sockets", "ip link set lo up"),
            (sockets(Some(&denied)), "network_sockets", "RestrictAddressFamilies="),
            (connections(1024), "network_open_files", "ulimit -Hn"),
            (local_ports("40000\t40999\n").unwrap(), "network_local_ports", "ip_local_port_range"),
            (tracked(65_000, 65_536), "network_tracking", "nf_conntrack_max"),
            (ping_groups("1\t0\n", &[0, 1000]), "network_ping", "ping_group_range"),
            (ping_groups("", &[0]), "network_ping", "ping_group_range"),
        ] {
            assert_eq!((check.code.as_str(), check.ok), (code, false), "{check:?}");
            assert!(check.remedy.is_some_and(|text| text.to_string().contains(remedy)), "{code}");
        }
    }

    #[test]
    fn this_host_reaches_itself() {
        reach_itself().unwrap();
    }

    #[test]
    fn plenty_is_well() {
        for check in [
            sockets(None),
            connections(u64::MAX),
            local_ports("32768\t60999\n").unwrap(),
            tracked(100, 65_536),
            tracked(100, 0),
            low_ports(1024, false),
            ping_groups("0\t2147483647\n", &[1000]),
        ] {
            assert!(check.ok, "{check:?}");
        }
        assert_eq!(local_ports("nonsense"), None);
    }

    #[test]
    fn who_may_listen_where_is_told() {
        let message = |first, is_root| low_ports(first, is_root).message.to_string();
        assert!(message(1024, false).contains("from 1024 on"));
        assert!(message(0, false).contains("every port") && message(1024, true).contains("every port"));
    }
}
