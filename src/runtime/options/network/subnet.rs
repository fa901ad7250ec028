//! The network of a box's own link, where its maker gives one. Called by `network.rs`.

use std::net::Ipv4Addr;

use boxlite_error::{BoxliteError, BoxliteResult, shorten::shortened};
use ipnet::Ipv4Net;

use crate::options::bound::SHOWN;

/// Reads one.
///
/// # Errors
/// `INVALID_ARGUMENT` if it is none that a box may have.
pub(super) fn parse(text: &str) -> BoxliteResult<Ipv4Net> {
    let net = text.parse::<Ipv4Net>().ok().map(|net| net.trunc()).filter(|net| is_subnet(*net));
    net.ok_or_else(|| {
        let text = shortened(text, SHOWN);
        let why = format!(
            "expected an IPv4 network of /8 to /29 such as 10.88.77.0/24, which is none of 0.0.0.0/8, 100.64.0.0/10, \
             127.0.0.0/8, 169.254.0.0/16 and 224.0.0.0/3: `{text}`"
        );
        BoxliteError::invalid_option("network.subnet", why)
    })
}

/// Whether a box's link may have these addresses: three at least, none of which has another meaning.
fn is_subnet(net: Ipv4Net) -> bool {
    let other = [
        Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8),
        Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
        Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8),
        Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16),
        Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3),
    ];
    (8..=29).contains(&net.prefix_len())
        && !other.iter().any(|other| other.contains(&net) || net.contains(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_pitfalls_address_pools_a_subnet_is_none_that_others_use() {
        for text in
            ["100.64.1.0/24", "100.0.0.0/8", "127.0.0.0/24", "169.254.3.0/24", "224.0.0.0/24", "10.0.0.0/30"]
        {
            let error = parse(text).unwrap_err();
            assert_eq!(error.code(), boxlite_error::ErrorCode::InvalidArgument);
            assert!(error.to_string().contains(text), "{error}");
        }
        assert_eq!(parse("10.88.77.9/24").unwrap().to_string(), "10.88.77.0/24");
    }
}
