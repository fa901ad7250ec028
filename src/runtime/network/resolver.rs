//! The host's resolver as `/etc/resolv.conf` configures it (resolv.conf(5)). Read by `plan` for the search domains, and by the doctor.

use std::{net::IpAddr, path::Path};

use boxlite_error::BoxliteResult;

use crate::{
    network::host_file,
    options::network::dns::{MOST_SEARCH_DOMAINS, SEARCH_BYTES},
};

/// Most bytes of the file that are read.
const MOST: usize = 64 * 1024;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resolver {
    pub(crate) servers: Vec<IpAddr>,
    /// As many as every C library reads.
    pub(crate) search: Vec<String>,
}

impl Resolver {
    /// Reads it; without the file there is nothing in it. Blocking.
    ///
    /// # Errors
    /// `HOST_LIMIT`.
    pub(crate) fn read() -> BoxliteResult<Self> {
        let text = host_file::read(Path::new("/etc/resolv.conf"))?;
        Ok(Self::parse(&text[..text.floor_char_boundary(MOST)]))
    }

    fn parse(text: &str) -> Self {
        let mut this = Self::default();
        for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    // A link-local server names its interface after `%`.
                    let address =
                        words.next().and_then(|word| word.split('%').next()?.parse::<IpAddr>().ok());
                    this.servers.extend(address);
                }
                // The last of these lines holds.
                Some("search" | "domain") => this.search = bounded(words),
                _ => {}
            }
        }
        this
    }
}

fn bounded<'a>(domains: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut bytes = 0;
    let fits = |domain: &&str| {
        bytes += domain.len() + 1;
        bytes <= SEARCH_BYTES + 1
    };
    let is_name = |domain: &&str| {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        *domain != "." && domain.bytes().all(letters)
    };
    domains.filter(is_name).take(MOST_SEARCH_DOMAINS).take_while(fits).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_search_domains_are_read() {
        let text = "# comment\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver nonsense\noptions edns0\n\
                    domain old.example\nsearch a.example b.example .\n";
        let Resolver { servers, search } = Resolver::parse(text);
        assert_eq!(servers, ["127.0.0.53".parse::<IpAddr>().unwrap(), "fe80::1".parse().unwrap()]);
        assert_eq!(search, ["a.example", "b.example"]);
        assert_eq!(Resolver::parse(""), Resolver::default());
    }

    #[test]
    fn network_pitfalls_search_domains_a_very_long_list_is_cut() {
        let long =
            (0..500).map(|n| format!("department-{n}.corporation.example")).collect::<Vec<_>>().join(" ");
        let search = Resolver::parse(&format!("search {long}\n")).search;
        assert_eq!(search.len(), 6);
        let longer = format!("search {}\n", vec!["x".repeat(100); 6].join(" "));
        assert_eq!(Resolver::parse(&longer).search.len(), 2);
        assert_eq!(Resolver::parse("search a\tb;rm {x}\n").search, ["a"]);
    }
}
