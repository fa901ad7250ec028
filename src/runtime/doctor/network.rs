//! The doctor's checks of what a box's network needs of its host: name servers, routes, addresses, a proxy, certificates, and the other
//! backends where they are chosen; what its kernel allows is checked by `kernel`. Called by `doctor`. Each check takes what it judges as a
//! value, so that each can be shown a host that lacks it. None of them is an obstacle: a box without a network runs anywhere.

use std::{
    env,
    fs::File,
    io::{self, Read as _},
    net::{IpAddr, Ipv6Addr, UdpSocket},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use boxlite_error::{BoxliteError, BoxliteResult};
use boxlite_spec::network::GVPROXY_FOLDERS;
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::{AccessFlags, access},
};

use crate::{
    doctor::{DoctorCheck, kernel},
    network::{certificates, link::subnet_beside, proxy, resolver::Resolver, routes::Routes},
    options::network::{authorities::Authorities, proxy::Proxy},
};

/// How long the name servers may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often they are asked in that time.
const ATTEMPTS: u32 = 2;
/// A query for the name servers of the root (RFC 1035, 4).
const QUERY: [u8; 17] = [0xb0, 0x1e, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];

/// Every check of the network.
pub(super) fn examine() -> Vec<DoctorCheck> {
    // At a limit of this process, of which another check tells, nothing is known of them.
    let (routes, resolver) = (Routes::read().unwrap_or_default(), Resolver::read().unwrap_or_default());
    let set =
        proxy::VARIABLES.into_iter().find(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    let mut checks = vec![
        resolver_check(&resolver.servers, |servers| one_answers(servers, 53)),
        default_route(&routes),
        ipv6_route(&routes, source_v6),
        address_pool(&routes),
        authorities(certificates::read(&Authorities::Host)),
    ];
    checks.extend(kernel::examine());
    checks
        .extend(set.map(|variable| proxy_of_host(variable, proxy::spec(Some(&Proxy::Host)).err().as_ref())));
    checks.push(gvproxy(env::var_os("BOXLITE_GVPROXY").map(PathBuf::from), |name| found(name, "PATH")));
    checks.push(libslirp(env::var_os("BOXLITE_LIBSLIRP").map(PathBuf::from), || library("libslirp.so.0")));
    checks
}

/// Without a name server that answers, a box finds nothing by name.
fn resolver_check(servers: &[IpAddr], answers: impl FnOnce(&[IpAddr]) -> bool) -> DoctorCheck {
    let list = servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let code = "network_resolver";
    if servers.is_empty() {
        return DoctorCheck::bad(
            code,
            "/etc/resolv.conf names no server, so boxes can't look up names",
            "name a server in /etc/resolv.conf, or give boxes the option `network.dns.servers`",
        );
    }
    // The interface of a link-local server is not known here.
    let link_local = |server: &IpAddr| matches!(server, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if servers.iter().any(link_local) || answers(servers) {
        return DoctorCheck::good(code, format!("boxes ask {list}"));
    }
    if servers.iter().all(IpAddr::is_loopback) {
        let message = format!("the only name servers are this host's own ({list}), and none of them answers");
        return DoctorCheck::bad(
            code,
            message,
            "start the host's resolver, such as systemd-resolved, or name another server",
        );
    }
    let seconds = PATIENCE.as_secs();
    DoctorCheck::bad(
        code,
        format!(
            "no name server of /etc/resolv.conf ({list}) answers within {seconds} s, so boxes can't look up names"
        ),
        "connect the host to the network that they are of, or name another server; a firewall may refuse port 53",
    )
}

/// Asks all of them for the name servers of the root, by DNS over UDP and twice, since a datagram may be lost. Whether one answers.
fn one_answers(servers: &[IpAddr], port: u16) -> bool {
    let mut asked: Vec<_> = servers.iter().filter_map(|server| connected(*server, port).ok()).collect();
    for _ in 0..ATTEMPTS {
        let until = Instant::now() + PATIENCE / ATTEMPTS;
        // One that can't be reached says so here or below.
        asked.retain(|socket| socket.send(&QUERY).is_ok());
        while let Some(heard) = readable(&asked, until) {
            let socket = &asked[heard];
            let mut answer = [0; 512];
            match socket.recv(&mut answer) {
                Ok(length) if length >= QUERY.len() && answer[..2] == QUERY[..2] => return true,
                Ok(_) => {}
                Err(_) => drop(asked.swap_remove(heard)),
            }
        }
    }
    false
}

/// A socket that reaches this server and hears nobody else.
fn connected(server: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let any: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((server, port))?;
    Ok(socket)
}

/// Waits until one of them has something to read, and says which.
fn readable(sockets: &[UdpSocket], until: Instant) -> Option<usize> {
    let left = until.saturating_duration_since(Instant::now());
    if sockets.is_empty() || left.is_zero() {
        return None;
    }
    let mut polled: Vec<_> =
        sockets.iter().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
    poll(&mut polled, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)).ok()?;
    polled.iter().position(|one| one.any().unwrap_or(false))
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

/// It is no fault to have none, as long as there is IPv4. `source`: the address from which this host would reach the internet.
fn ipv6_route(routes: &Routes, source: impl FnOnce() -> Option<Ipv6Addr>) -> DoctorCheck {
    let code = "network_ipv6";
    if !routes.has_default_v6() {
        return DoctorCheck::good(code, "boxes have no IPv6, since this host has no default route for it");
    }
    if source().is_none_or(|address| address.is_unicast_link_local()) {
        return DoctorCheck::bad(
            code,
            "this host has a default route for IPv6 and no address for it, so what boxes try over IPv6 fails",
            "give the host an IPv6 address, or boxes the option `network.ipv6` with the value false",
        );
    }
    DoctorCheck::good(code, "boxes have IPv6, since this host has a default route for it")
}

/// Nothing is sent: the kernel chooses the address as it connects.
fn source_v6() -> Option<Ipv6Addr> {
    let socket = connected(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(), 53).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    }
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

/// Without them, boxes can't be given the host's, and no server can be checked to which a secret goes.
fn authorities(read: BoxliteResult<Vec<u8>>) -> DoctorCheck {
    let code = "network_authorities";
    match read {
        Ok(pem) => {
            let count = String::from_utf8_lossy(&pem).matches("-----BEGIN ").count();
            DoctorCheck::good(code, format!("this host trusts {count} authorities of certificates"))
        }
        Err(error) => DoctorCheck::failed(code, &error, "install the package `ca-certificates`"),
    }
}

/// The value is not told, since it may hold a password. `refused`: why boxes can't use that proxy.
fn proxy_of_host(variable: &str, refused: Option<&BoxliteError>) -> DoctorCheck {
    let code = "network_proxy";
    if let Some(error) = refused {
        return DoctorCheck::failed(code, error, "name an HTTP proxy by the option");
    }
    let message =
        format!("{variable} is set; boxes use that proxy only where the option `network.proxy` asks for it");
    DoctorCheck::good(code, message)
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
        Some(path) if !is_library(&path) => DoctorCheck::bad(
            CODE,
            format!("BOXLITE_LIBSLIRP names `{}`, which is no library that can be read", path.display()),
            "name libslirp's file, such as /usr/lib/x86_64-linux-gnu/libslirp.so.0, or unset the variable",
        ),
        named => DoctorCheck::good(CODE, present("libslirp", named.or_else(search))),
    }
}

/// Whether it begins as every library of Linux does (elf(5)).
fn is_library(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
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

    fn with_ipv6() -> Routes {
        Routes { v4: vec![], v6: vec!["::/0".parse().unwrap()] }
    }

    #[test]
    fn each_want_has_its_remedy() {
        let (loopback, other): (IpAddr, IpAddr) = ([127, 0, 0, 53].into(), [192, 0, 2, 1].into());
        let link_local = || Some("fe80::1".parse().unwrap());
        let without_store = certificates::read(&Authorities::File("/nowhere/ca.pem".into()));
        let socks = proxy::of_host(|name| (name == "ALL_PROXY").then(|| "socks5://u:hunter2@proxy:1".into()));
        let text = tempfile::NamedTempFile::new().unwrap();
        for (check, code, remedy) in [
            (resolver_check(&[], |_| true), "network_resolver", "network.dns.servers"),
            (resolver_check(&[loopback], |_| false), "network_resolver", "systemd-resolved"),
            (resolver_check(&[loopback, other], |_| false), "network_resolver", "firewall"),
            (default_route(&routes(&["10.0.0.0/8"])), "network_route", "connect"),
            (ipv6_route(&with_ipv6(), || None), "network_ipv6", "network.ipv6"),
            (ipv6_route(&with_ipv6(), link_local), "network_ipv6", "network.ipv6"),
            (
                address_pool(&routes(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])),
                "network_addresses",
                "subnet",
            ),
            (authorities(without_store), "network_authorities", "ca-certificates"),
            (
                proxy_of_host("ALL_PROXY", socks.err().as_ref()),
                "network_proxy",
                "set ALL_PROXY to an HTTP proxy",
            ),
            (gvproxy(Some("/nowhere".into()), |_| None), "network_gvproxy", "unset"),
            (libslirp(Some("/nowhere".into()), || None), "network_libslirp", "unset"),
            (libslirp(Some(text.path().into()), || None), "network_libslirp", "unset"),
        ] {
            assert_eq!((check.code.as_str(), check.ok), (code, false), "{check:?}");
            assert!(!format!("{check:?}").contains("hunter2"));
            assert!(check.remedy.is_some_and(|text| text.to_string().contains(remedy)), "{code}");
        }
    }

    #[test]
    fn plenty_is_well() {
        let (loopback, link_local): (IpAddr, IpAddr) = ([127, 0, 0, 53].into(), "fe80::1".parse().unwrap());
        for check in [
            resolver_check(&[loopback], |_| true),
            // Through which interface it is to be asked, is not known.
            resolver_check(&[link_local], |_| false),
            default_route(&routes(&["0.0.0.0/0"])),
            ipv6_route(&Routes::default(), || None),
            ipv6_route(&with_ipv6(), || Some("2001:db8::2".parse().unwrap())),
            address_pool(&routes(&["0.0.0.0/0", "172.17.0.0/16"])),
            authorities(Ok(b"-----BEGIN CERTIFICATE-----".to_vec())),
            proxy_of_host("HTTPS_PROXY", None),
            gvproxy(None, |_| None),
            libslirp(None, || None),
            libslirp(env::current_exe().ok(), || None),
        ] {
            assert!(check.ok, "{check:?}");
        }
    }

    #[test]
    fn one_server_that_answers_is_enough_though_not_at_once() {
        let server = UdpSocket::bind(("127.213.77.53", 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        let silent = UdpSocket::bind(("127.213.77.54", port)).unwrap();
        let servers: [IpAddr; 3] =
            [[127, 213, 77, 55].into(), [127, 213, 77, 54].into(), [127, 213, 77, 53].into()];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut query = [0; 512];
                server.recv_from(&mut query).unwrap();
                // The first one is lost, and so is an answer to something else.
                let (length, from) = server.recv_from(&mut query).unwrap();
                server.send_to(&[0; 40], from).unwrap();
                server.send_to(&query[..length], from).unwrap();
            });
            assert!(one_answers(&servers, port), "{silent:?}");
        });
    }

    #[test]
    fn servers_that_do_not_answer_are_found_out() {
        let server = UdpSocket::bind(("127.213.77.56", 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        // The one is silent, and nothing listens at the other.
        assert!(!one_answers(&[[127, 213, 77, 56].into(), [127, 213, 77, 57].into()], port));
        let began = Instant::now();
        assert!(!one_answers(&[[127, 213, 77, 57].into()], port));
        assert!(began.elapsed() < PATIENCE);
    }
}
