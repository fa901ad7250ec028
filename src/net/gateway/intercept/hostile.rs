//! Hostile bytes, as a box may send them. They may be refused, and nothing else: no panic, no endless work, nothing accepted that breaks a
//! bound. Called by the tests below with samples changed at random, and by the fuzz targets in `fuzz/`; no part of a release.
#![allow(clippy::missing_panics_doc, reason = "a panic is what this is for")]

use super::first_bytes::FirstBytes;
use crate::gateway::inspector::FIRST_BYTES_MAX;

/// The first bytes of a connection.
pub fn first_bytes(bytes: &[u8]) {
    let read = FirstBytes::read(bytes);
    match &read {
        FirstBytes::Incomplete => assert!(bytes.len() < FIRST_BYTES_MAX),
        FirstBytes::Tls { name: Some(name) } | FirstBytes::Http1 { name: Some(name) } => {
            // It is a name that a rule could have, and in the form that rules have.
            assert_eq!(
                name.parse().map(|rule: boxlite_spec::network::rule::Rule| rule.to_string()).as_ref(),
                Ok(name)
            );
        }
        _ => {}
    }
    // What has been decided stays so when more bytes come.
    for length in [1, bytes.len() / 2, bytes.len().saturating_sub(1)] {
        let start = FirstBytes::read(&bytes[..length.min(bytes.len())]);
        assert!(start == FirstBytes::Incomplete || start == read, "{start:?} became {read:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers;

    #[test]
    fn samples_that_are_changed_at_random_are_read_or_refused() {
        let samples = [
            &b"GET http://a.example/ HTTP/1.1\r\nHost: a.example:80\r\nAccept: */*\r\n\r\nbody"[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04",
            b"SSH-2.0-OpenSSH_9.2p1\r\n",
            include_bytes!("../../../../fuzz/corpus/first_bytes/hello"),
        ];
        let mut below = numbers::below();
        for sample in samples {
            first_bytes(sample);
            for _ in 0..500 {
                let mut changed = sample.to_vec();
                for _ in 0..=below(4) {
                    let at = below(changed.len());
                    changed[at] = u8::try_from(below(256)).unwrap_or(0);
                }
                first_bytes(&changed);
            }
        }
    }
}
