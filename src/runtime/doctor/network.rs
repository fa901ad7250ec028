//! The doctor's checks of what a box's network needs of its host. Called by `doctor`. Each check takes what it judges as a value, so that
//! each can be shown a host that lacks it. None of them is an obstacle: a box without a network runs anywhere.

use std::{
    env, fs,
    net::{IpAddr, ToSocketAddrs as _, UdpSocket},
    path::{Path, PathBuf},
    time::Duration,
};

use boxlite_spec::network::GVPROXY_FOLDERS;
use nix::{
    sys::resource::{Resource, getrlimit},
    unistd::{AccessFlags, access, getegid, getgroups},
};

use crate::{
    doctor::DoctorCheck,
    network::{link::subnet_beside, proxy, resolver::Resolver, routes::Routes},
};

/// A box's gateway takes one descriptor for each connection, and some of its own.
const FEWEST_FILES: u64 = 1024;
/// How long a name server may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Every check of the network.
pub(super) fn examine() -> Vec<DoctorCheck> {
    // At a limit of this process, of which another check tells, nothing is known of them.
    let (routes, resolver) = (Routes::read().unwrap_or_default(), Resolver::read().unwrap_or_default());
    // Each process may raise its soft limit to this one, as the shim does.
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(_, hard)| hard);
    let ping = fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").ok();
    let groups = getgroups().unwrap_or_default().into_iter().chain([getegid()]).map(nix::unistd::Gid::as_raw);
    let set =
        proxy::VARIABLES.into_iter().find(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    let mut checks = vec![
        resolver_check(&resolver.servers, answers),
        default_route(&routes),
        ipv6_route(&routes),
        address_pool(&routes),
        connections(files),
    ];
    checks.extend(ping.map(|range| ping_groups(&range, &groups.collect::<Vec<_>>())));
    checks.extend(set.map(proxy_unused));
    checks.push(gvproxy(env::var_os("BOXLITE_GVPROXY").map(PathBuf::from), |name| found(name, "PATH")));
    checks.push(libslirp(env::var_os("BOXLITE_LIBSLIRP").map(PathBuf::from), || library("libslirp.so.0")));
    checks
}

/// Without a name server that answers, a box finds nothing by name.
fn resolver_check(servers: &[IpAddr], answers: impl Fn(IpAddr) -> bool) -> DoctorCheck {
    let list = servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let remedy = "name a server in /etc/resolv.conf, or give boxes the option `network.dns.servers`";
    let code = "network_resolver";
    if servers.is_empty() {
        return DoctorCheck::bad(
            code,
            "/etc/resolv.conf names no server, so boxes can't look up names",
            remedy,
        );
    }
    // A server elsewhere may be reached only through what the doctor does not know of; one on this host is here or not.
    let own = servers.iter().all(IpAddr::is_loopback);
    if own && !servers.iter().any(|server| answers(*server)) {
        let message = format!("the only name servers are this host's own ({list}), and none of them answers");
        return DoctorCheck::bad(
            code,
            message,
            "start the host's resolver, such as systemd-resolved, or name another server",
        );
    }
    DoctorCheck::good(code, format!("boxes ask {list}"))
}

/// Asks for the name servers of the root, by DNS over UDP.
fn answers(server: IpAddr) -> bool {
    const QUERY: [u8; 17] = [0xb0, 0x1e, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
    let asked = || -> std::io::Result<bool> {
        let any: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect((server, 53).to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?)?;
        socket.send(&QUERY)?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer)?;
        Ok(length >= 12 && answer[..2] == QUERY[..2])
    };
    asked().unwrap_or(false)
}

fn default_route(routes: &Routes) -> DoctorCheck {
    let ok = routes.has_default_v4() || routes.has_default_v6();
    let message = if ok {
        "this host has a default route"
    } else {
        "this host has no default route, so boxes reach no more than it does: its own networks, where their rules allow"
    };
    DoctorCheck::judged(ok, "network_route", message, "connect the host to a network")
}

/// It is no fault to have none, as long as there is IPv4.
fn ipv6_route(routes: &Routes) -> DoctorCheck {
    let message = if routes.has_default_v6() {
        "boxes have IPv6, since this host has a default route for it"
    } else {
        "boxes have no IPv6, since this host has no default route for it"
    };
    DoctorCheck::good("network_ipv6", message)
}

fn address_pool(routes: &Routes) -> DoctorCheck {
    let code = "network_addresses";
    match subnet_beside(routes) {
        (net, None) => DoctorCheck::good(code, format!("boxes have addresses of {net}")),
        (net, Some(route)) => DoctorCheck::bad(
            code,
            format!(
                "boxes have addresses of {net}, which is part of this host's route to {route}: what is there at these addresses can't be reached from boxes"
            ),
            "give boxes the option `network.subnet` with addresses that nothing else has",
        ),
    }
}

fn connections(files: u64) -> DoctorCheck {
    let amount = if files == u64::MAX { "any number of".to_owned() } else { files.to_string() };
    let message = format!("the gateway of a box may open {amount} files, one for each connection");
    let remedy = "raise the hard limit: `ulimit -Hn 65536`, or LimitNOFILE= of its service";
    DoctorCheck::judged(files >= FEWEST_FILES, "network_open_files", message, remedy)
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

/// The value is not told, since it may hold a password.
fn proxy_unused(variable: &str) -> DoctorCheck {
    let message =
        format!("{variable} is set; boxes use that proxy only where the option `network.proxy` asks for it");
    DoctorCheck::good("network_proxy", message)
}

/// The program is needed only by those who choose it.
fn gvproxy(named: Option<PathBuf>, search: impl Fn(&str) -> Option<PathBuf>) -> DoctorCheck {
    const CODE: &str = "network_gvproxy";
    match named {
        Some(path) if access(&path, AccessFlags::X_OK).is_err() => DoctorCheck::bad(
            CODE,
            format!("BOXLITE_GVPROXY names `{}`, which can't be run", path.display()),
            "name gvproxy's program, or unset the variable",
        ),
        named => {
            let places = || GVPROXY_FOLDERS.map(|folder| Path::new(folder).join("gvproxy"));
            let installed = || places().into_iter().find(|path| access(path, AccessFlags::X_OK).is_ok());
            let program = named.or_else(|| search("gvproxy")).or_else(installed);
            DoctorCheck::good(CODE, present("gvproxy", program))
        }
    }
}

/// The library is needed only by those who choose it.
fn libslirp(named: Option<PathBuf>, search: impl Fn() -> Option<PathBuf>) -> DoctorCheck {
    const CODE: &str = "network_libslirp";
    match named {
        Some(path) if !path.is_file() => DoctorCheck::bad(
            CODE,
            format!("BOXLITE_LIBSLIRP names `{}`, which is no file", path.display()),
            "name libslirp's file, such as /usr/lib/x86_64-linux-gnu/libslirp.so.0, or unset the variable",
        ),
        named => DoctorCheck::good(CODE, present("libslirp", named.or_else(search))),
    }
}

fn present(name: &str, found: Option<PathBuf>) -> String {
    match found {
        Some(path) => format!("`{}`", path.display()),
        None => format!("{name} is not installed, which only boxes need whose `network.backend` it is"),
    }
}

fn found(name: &str, variable: &str) -> Option<PathBuf> {
    let folders = env::var_os(variable)?;
    env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| access(path, AccessFlags::X_OK).is_ok())
}

/// A shared library in the folders that the dynamic linker knows without its cache.
fn library(name: &str) -> Option<PathBuf> {
    let machine = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH);
    let folders = [machine.as_str(), "/usr/lib64", "/usr/lib", "/lib", "/usr/local/lib"];
    found(name, "LD_LIBRARY_PATH")
        .or_else(|| folders.map(|folder| Path::new(folder).join(name)).into_iter().find(|path| path.exists()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(v4: &[&str]) -> Routes {
        Routes { v4: v4.iter().map(|net| net.parse().unwrap()).collect(), v6: vec![] }
    }

    #[test]
    fn each_want_has_its_remedy() {
        let loopback: IpAddr = [127, 0, 0, 53].into();
        for (check, code, remedy) in [
            (resolver_check(&[], |_| true), "network_resolver", "network.dns.servers"),
            (resolver_check(&[loopback], |_| false), "network_resolver", "systemd-resolved"),
            (default_route(&routes(&["10.0.0.0/8"])), "network_route", "connect"),
            (
                address_pool(&routes(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])),
                "network_addresses",
                "subnet",
            ),
            (connections(256), "network_open_files", "ulimit -Hn"),
            (ping_groups("1\t0\n", &[0, 1000]), "network_ping", "ping_group_range"),
            (ping_groups("", &[0]), "network_ping", "ping_group_range"),
            (gvproxy(Some("/nowhere".into()), |_| None), "network_gvproxy", "unset"),
            (libslirp(Some("/nowhere".into()), || None), "network_libslirp", "unset"),
        ] {
            assert_eq!((check.code.as_str(), check.ok), (code, false), "{check:?}");
            assert!(check.remedy.is_some_and(|text| text.to_string().contains(remedy)), "{code}");
        }
    }

    #[test]
    fn plenty_is_well() {
        let (loopback, other): (IpAddr, IpAddr) = ([127, 0, 0, 53].into(), [192, 0, 2, 1].into());
        for check in [
            resolver_check(&[loopback], |_| true),
            // One elsewhere is not asked.
            resolver_check(&[loopback, other], |_| false),
            default_route(&routes(&["0.0.0.0/0"])),
            ipv6_route(&Routes::default()),
            address_pool(&routes(&["0.0.0.0/0", "172.17.0.0/16"])),
            connections(u64::MAX),
            ping_groups("0\t2147483647\n", &[1000]),
            proxy_unused("HTTPS_PROXY"),
            gvproxy(None, |_| None),
            libslirp(None, || None),
        ] {
            assert!(check.ok, "{check:?}");
        }
    }

    #[test]
    fn a_server_that_does_not_answer_is_found_out() {
        // Nothing listens on port 53 of this address of the loopback network.
        assert!(!answers([127, 213, 77, 53].into()));
    }
}
