//! What the first bytes of a connection say: whether it is TLS, HTTP or neither, and the name of the server in it. The bytes are the
//! box's, so they are hostile; there is a fuzz target of the same name. Called by `Intercept::inspect`.

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use rustls::server::Acceptor;

use super::name;
use crate::gateway::inspector::FIRST_BYTES_MAX;

/// The start of HTTP/2 without TLS (RFC 9113, 3.4).
pub(super) const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Most headers of a request.
const HEADERS_MAX: usize = 256;
/// Longest method of a request. The registered ones have 17 bytes at most.
const METHOD_MAX: usize = 32;
/// The types of TLS records (RFC 8446, 5.1), of which a handshake is to be the first.
const TLS_RECORDS: std::ops::RangeInclusive<u8> = 0x14..=0x18;

/// What the first bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstBytes {
    /// More of them are needed.
    Incomplete,
    /// TLS.
    Tls {
        /// The name in the handshake (SNI), in lower case. Of a handshake that hides a name (ECH) it is the one outside. `None` if there is
        /// none, or if the handshake can't be read.
        name: Option<String>,
    },
    /// HTTP/1.
    Http1 {
        /// The name of the first request; `None` if it has none, more than one, or can't be read.
        name: Option<String>,
    },
    /// HTTP/2 without TLS. The names are in compressed headers.
    Http2,
    /// Another protocol, in which no name is known of.
    Other,
}

impl FirstBytes {
    /// Reads the first bytes, of which there is at least one. It says [`FirstBytes::Incomplete`] of less than [`FIRST_BYTES_MAX`] only.
    pub fn read(first: &[u8]) -> Self {
        let whole = first.len() >= FIRST_BYTES_MAX;
        let read = match first.first() {
            None => Self::Incomplete,
            Some(record) if TLS_RECORDS.contains(record) => read_tls(first),
            Some(_) if HTTP2_PREFACE.starts_with(first) && first.len() < HTTP2_PREFACE.len() => {
                Self::Incomplete
            }
            Some(_) if first.starts_with(HTTP2_PREFACE) => Self::Http2,
            Some(_) => read_text(first),
        };
        match read {
            Self::Incomplete if whole && TLS_RECORDS.contains(&first[0]) => Self::Tls { name: None },
            Self::Incomplete if whole => Self::Http1 { name: None },
            read => read,
        }
    }
}

fn read_tls(first: &[u8]) -> FirstBytes {
    let mut acceptor = Acceptor::default();
    let mut rest = first;
    loop {
        // Reading from memory takes what there is room for.
        let taken = acceptor.read_tls(&mut rest).unwrap_or(0);
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let name = accepted.client_hello().server_name().and_then(name::normal);
                return FirstBytes::Tls { name };
            }
            Err(_) => return FirstBytes::Tls { name: None },
            Ok(None) if taken == 0 => return FirstBytes::Incomplete,
            Ok(None) => {}
        }
    }
}

/// Reads what is not TLS. What a lenient server might take for HTTP/1 is HTTP/1: a first line with `HTTP/` in it, after empty lines.
fn read_text(first: &[u8]) -> FirstBytes {
    let start = first.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(first.len());
    let text = &first[start..];
    let end = text.iter().position(|byte| b"\r\n".contains(byte));
    let line = &text[..end.unwrap_or(text.len())];
    let method = line.iter().position(u8::is_ascii_whitespace).map_or(line, |end| &line[..end]);
    if method.len() > METHOD_MAX || !method.iter().copied().all(is_token) {
        return FirstBytes::Other;
    }
    match end {
        None => FirstBytes::Incomplete,
        Some(_) if has_version(line) => read_head(first),
        Some(_) => FirstBytes::Other,
    }
}

/// Whether a method may have this character (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn has_version(line: &[u8]) -> bool {
    line.windows(5).any(|piece| piece.eq_ignore_ascii_case(b"HTTP/"))
}

fn read_head(first: &[u8]) -> FirstBytes {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(first) {
        Ok(httparse::Status::Partial) => FirstBytes::Incomplete,
        Ok(httparse::Status::Complete(_)) => FirstBytes::Http1 { name: name_of(&request) },
        Err(_) => FirstBytes::Http1 { name: None },
    }
}

fn name_of(request: &httparse::Request<'_, '_>) -> Option<String> {
    let target: Uri = request.path?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for header in request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host")) {
        headers.append(HeaderName::from_static("host"), HeaderValue::from_bytes(header.value).ok()?);
    }
    name::of_request(&target, &headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(name: Option<&str>) -> FirstBytes {
        FirstBytes::Http1 { name: name.map(str::to_owned) }
    }

    #[test]
    fn the_host_of_a_request_is_its_name() {
        let head = b"GET /a HTTP/1.1\r\nAccept: */*\r\nhOST: Example.com:80\r\n\r\n";
        for length in 1..head.len() {
            assert_eq!(FirstBytes::read(&head[..length]), FirstBytes::Incomplete, "{length}");
        }
        assert_eq!(FirstBytes::read(head), http(Some("example.com")));
    }

    #[test]
    fn what_a_lenient_server_takes_for_http_has_to_name_its_host() {
        for head in [
            "\r\n\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "GET / HTTP/1.1\nHost: a.example\n\n",
            "POST http://a.example/ HTTP/1.0\r\n\r\n",
        ] {
            assert_eq!(FirstBytes::read(head.as_bytes()), http(Some("a.example")), "{head:?}");
        }
        for head in [
            "GET / http/1.1\r\nHost: a.example\r\n\r\n",
            "GET  /  HTTP/1.1 \r\nHost: a.example\r\n\r\n",
            "\tGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.example\r\n Host: b.example\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n",
            "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(FirstBytes::read(head.as_bytes()), http(None), "{head:?}");
        }
    }

    #[test]
    fn http2_without_tls_is_known_by_its_preface() {
        for length in 1..HTTP2_PREFACE.len() {
            assert_eq!(FirstBytes::read(&HTTP2_PREFACE[..length]), FirstBytes::Incomplete);
        }
        assert_eq!(FirstBytes::read(HTTP2_PREFACE), FirstBytes::Http2);
    }

    #[test]
    fn other_protocols_are_other() {
        for first in [
            &b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"[..],
            b"EHLO box\r\n",
            b"\0\0\0\x08\x04\xd2\x16\x2f",
            b"*1\r\n$4\r\nPING\r\n",
            b"GET /\r\n",
            // Without waiting for the end of a line.
            b"{\"id\":1}",
            b"<stream>",
            &[b'x'; 33],
        ] {
            assert_eq!(FirstBytes::read(first), FirstBytes::Other, "{first:?}");
        }
    }

    #[test]
    fn a_verdict_is_reached_within_the_bytes_that_are_held_back() {
        let mut line = b"GET / HTTP/1.1\r\nA: ".to_vec();
        line.resize(FIRST_BYTES_MAX - 1, b'a');
        assert_eq!(FirstBytes::read(&line), FirstBytes::Incomplete);
        line.push(b'a');
        assert_eq!(FirstBytes::read(&line), http(None));
        let mut hello = vec![0x16, 3, 1, 0x3f, 0xff, 1, 0, 0xff, 0xff, 3, 3];
        hello.resize(FIRST_BYTES_MAX, 0);
        assert_eq!(FirstBytes::read(&hello), FirstBytes::Tls { name: None });
    }

    #[test]
    fn the_outer_name_of_an_encrypted_hello_is_the_name() {
        // An outer ClientHello with suites, a key's number, an empty key and one encrypted byte.
        let encrypted = [0xfe, 0x0d, 0, 11, 0, 0, 1, 0, 1, 7, 0, 0, 0, 1, 9];
        let hello = hello(Some("Outer.example"), &encrypted);
        for length in 1..hello.len() {
            assert_eq!(FirstBytes::read(&hello[..length]), FirstBytes::Incomplete, "{length}");
        }
        assert_eq!(FirstBytes::read(&hello), FirstBytes::Tls { name: Some("outer.example".into()) });
        let mut longer = hello.clone();
        longer.extend([0x17, 3, 3, 0, 1, 0]);
        assert_eq!(FirstBytes::read(&longer), FirstBytes::read(&hello));
    }

    #[test]
    fn a_handshake_without_a_name_has_none() {
        assert_eq!(FirstBytes::read(&hello(None, &[])), FirstBytes::Tls { name: None });
        assert_eq!(FirstBytes::read(&hello(Some("198.51.100.7"), &[])), FirstBytes::Tls { name: None });
        // An alert is no handshake.
        assert_eq!(FirstBytes::read(&[0x15, 3, 1, 0, 2, 1, 0]), FirstBytes::Tls { name: None });
    }

    /// A `ClientHello` of TLS 1.2 and 1.3 (RFC 8446, 4.1.2).
    fn hello(name: Option<&str>, extension: &[u8]) -> Vec<u8> {
        let sized = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
        let mut extensions = vec![0, 13, 0, 4, 0, 2, 4, 3, 0, 43, 0, 3, 2, 3, 4, 0, 10, 0, 4, 0, 2, 0, 29];
        if let Some(name) = name {
            let entry = [&[0], &sized(name.as_bytes())[..]].concat();
            extensions.extend([&[0, 0], &sized(&sized(&entry))[..]].concat());
        }
        extensions
            .extend([&[0, 51], &sized(&sized(&[&[0, 29], &sized(&[9; 32])[..]].concat()))[..]].concat());
        extensions.extend(extension);
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        body.extend(sized(&extensions));
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let message = [&[1], &length[1..], &body].concat();
        [&[0x16, 3, 1], &sized(&message)[..]].concat()
    }
}
