//! Which destinations are reached directly although the host has a proxy: the entries of its `NO_PROXY`. Read by `dial`, for every
//! connection.

use std::net::IpAddr;

use ipnet::IpNet;

/// Whether one of `entries` is about a destination. As with curl and Go, an entry is a name, which includes all names below it and may
/// begin with `.` or `*.`; an address; a network; or `*` for everything. A port after it is left out of account.
pub(super) fn is_direct(entries: &[String], name: Option<&str>, address: IpAddr) -> bool {
    entries.iter().any(|entry| is_about(entry.trim(), name, address.to_canonical()))
}

fn is_about(entry: &str, name: Option<&str>, address: IpAddr) -> bool {
    if entry == "*" {
        return true;
    }
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    if let Ok(net) = bare.parse::<IpNet>().or_else(|_| bare.parse::<IpAddr>().map(IpNet::from)) {
        return net.contains(&address);
    }
    let host = entry.rsplit_once(':').map_or(entry, |(host, _)| host);
    let host =
        host.trim_start_matches('*').trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    if let Ok(exact) = host.parse::<IpAddr>() {
        return exact == address;
    }
    !host.is_empty()
        && name.is_some_and(|name| {
            name.strip_suffix(host.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(entries: &str, name: Option<&str>, address: &str) -> bool {
        let entries: Vec<_> = entries.split(',').map(str::to_owned).collect();
        is_direct(&entries, name, address.parse().unwrap())
    }

    #[test]
    fn network_pitfalls_corporate_ca_proxy_what_no_proxy_names_is_reached_directly() {
        let list = "localhost, .corp.test,*.intra.test,Exact.test:8080,10.0.0.0/8,203.0.113.9,[2001:db8::1]";
        for name in ["a.corp.test", "corp.test", "b.intra.test", "exact.test", "www.exact.test"] {
            assert!(direct(list, Some(name), "198.51.100.1"), "{name}");
        }
        for name in ["notcorp.test", "test", "exact.test.evil", "outside.test"] {
            assert!(!direct(list, Some(name), "198.51.100.1"), "{name}");
        }
        for address in ["10.1.2.3", "203.0.113.9", "::ffff:10.1.2.3", "2001:db8::1"] {
            assert!(direct(list, None, address), "{address}");
        }
        assert!(!direct(list, None, "203.0.113.10"));
        assert!(direct("*", None, "203.0.113.10"));
        assert!(!direct("", Some("a.test"), "203.0.113.10"));
    }
}
