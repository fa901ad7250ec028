//! The addresses of the host's own interfaces. They may change while a box runs, so they are read anew when they are a few seconds old. Asked by
//! `egress.rs`.

use std::{
    collections::HashSet,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::ifaddrs::getifaddrs;

/// How long what was read is used.
const FRESH: Duration = Duration::from_secs(3);

/// The addresses of the host's interfaces.
#[derive(Debug, Default)]
pub(super) struct HostAddresses {
    read: Mutex<Option<(Instant, HashSet<IpAddr>)>>,
}

impl HostAddresses {
    /// Whether an interface of the host has this address.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = read.as_ref().is_some_and(|(at, _)| at.elapsed() < FRESH);
        if !is_fresh {
            // Where the host can't be asked, what it said last is used on.
            let addresses = addresses().or_else(|| read.take().map(|(_, addresses)| addresses));
            *read = Some((Instant::now(), addresses.unwrap_or_default()));
        }
        read.as_ref().is_some_and(|(_, addresses)| addresses.contains(&address.to_canonical()))
    }
}

fn addresses() -> Option<HashSet<IpAddr>> {
    let found = getifaddrs().ok()?.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().into()))
    });
    Some(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_pitfalls_name_of_the_host_the_interfaces_addresses_are_known() {
        let host = HostAddresses::default();
        assert!(host.contains([127, 0, 0, 1].into()), "{host:?}");
        assert!(!host.contains([93, 184, 216, 77].into()), "{host:?}");
    }
}
