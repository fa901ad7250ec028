//! The name of a host, as a request or a handshake gives it. Read by `first_bytes` and by the `gate` that every request passes.

use boxlite_spec::network::rule::{Rule, Target};
use http::{HeaderMap, HeaderValue, Uri, header::HOST};

/// Returns a name in lower case and without a final dot; `None` if it is an address or no name at all.
pub(super) fn normal(name: &str) -> Option<String> {
    // A colon, slash or bracket would be read as part of a rule.
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return None;
    }
    match name.parse::<Rule>().ok()?.target {
        Target::Name(name) => Some(name),
        _ => None,
    }
}

/// Returns the name in `NAME[:PORT]`.
fn of_authority(authority: &str) -> Option<String> {
    let (name, port) = authority.split_once(':').unwrap_or((authority, ""));
    port.bytes().all(|byte| byte.is_ascii_digit()).then(|| normal(name))?
}

/// Returns the name that a request is for: its Host header, and the authority in its target if it has one (`:authority`, or a whole URL in
/// HTTP/1). `None` if neither is a name, if there are two Host headers, or if they differ, since a server may believe either.
pub(super) fn of_request(target: &Uri, headers: &HeaderMap<HeaderValue>) -> Option<String> {
    let mut names = headers
        .get_all(HOST)
        .iter()
        .map(|host| host.to_str().ok())
        .chain(target.authority().map(|it| Some(it.as_str())));
    let name = names.next().and_then(|first| of_authority(first?))?;
    (headers.get_all(HOST).iter().count() < 2
        && names.all(|other| other.and_then(of_authority).as_ref() == Some(&name)))
    .then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &str, hosts: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
        }
        of_request(&target.parse().unwrap(), &headers)
    }

    #[test]
    fn a_request_has_one_name() {
        assert_eq!(read("/", &["Example.COM.:8080"]).as_deref(), Some("example.com"));
        assert_eq!(read("https://example.com/", &[]).as_deref(), Some("example.com"));
        assert_eq!(read("http://example.com/a", &["example.com:80"]).as_deref(), Some("example.com"));
    }

    #[test]
    fn a_request_with_two_names_or_none_has_no_name() {
        for (target, hosts) in [
            ("/", vec![]),
            ("/", vec!["a.example", "a.example"]),
            ("/", vec!["a.example", "b.example"]),
            ("http://b.example/", vec!["a.example"]),
            ("http://user@a.example/", vec!["a.example"]),
            ("/", vec!["user@a.example"]),
            ("/", vec!["198.51.100.1"]),
            ("/", vec!["[2001:db8::1]:80"]),
            ("/", vec!["a.example:80:80"]),
            ("/", vec!["a.example, b.example"]),
            ("/", vec!["*.example"]),
            ("/", vec![""]),
        ] {
            assert_eq!(read(target, &hosts), None, "{target} {hosts:?}");
        }
    }
}
