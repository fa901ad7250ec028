//! PAX extended headers (POSIX.1-2024, pax, "pax Extended Header"), as far as layers use them. Called by `tar`.
//!
//! Not the `tar` crate's reader: that one splits records at newlines, which binary attribute values may contain.

use crate::{Error, pax_sparse::PaxSparse};

/// What a PAX header says of the entry that follows it.
#[derive(Debug, Default)]
pub(crate) struct Pax {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<u64>,
    pub(crate) gid: Option<u64>,
    pub(crate) mtime: Option<(i64, u32)>,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) sparse: PaxSparse,
}

impl Pax {
    /// Adds the records of one extended header; later records win.
    pub(crate) fn parse(&mut self, mut data: &[u8]) -> Result<(), Error> {
        while !data.is_empty() {
            let (key, value, rest) =
                record(data).ok_or_else(|| Error::corrupt("read tar: malformed PAX record"))?;
            self.set(key, value)?;
            data = rest;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(number(value)?),
            b"uid" => self.uid = Some(number(value)?),
            b"gid" => self.gid = Some(number(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                } else if let Some(name) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.set(name, value)?;
                }
            }
        }
        Ok(())
    }
}

/// Splits `"<length> <key>=<value>\n"` off `data`; the length counts the whole record.
fn record(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().take(20).position(|&byte| byte == b' ')?;
    let length: usize = std::str::from_utf8(&data[..space]).ok()?.parse().ok()?;
    let body = data.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|&byte| byte == b'=')?;
    Some((&body[..equals], &body[equals + 1..], &data[length..]))
}

pub(crate) fn number(value: &[u8]) -> Result<u64, Error> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| Error::corrupt(format!("read tar: PAX number {}", shown(value))))
}

/// A value for an error: the beginning of it.
fn shown(value: &[u8]) -> String {
    format!("\"{}\"", value[..value.len().min(64)].escape_ascii())
}

/// Seconds with a decimal fraction of any length, possibly negative; the nanoseconds count upwards from the second.
fn time(value: &[u8]) -> Result<(i64, u32), Error> {
    let parse = || {
        let text = std::str::from_utf8(value).ok()?.trim();
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let seconds: i64 = whole.parse().ok()?;
        let digits = fraction.get(..fraction.len().min(9))?;
        let nanos: u32 = match digits {
            "" => 0,
            _ if fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("{digits:0<9}").parse().ok()?
            }
            _ => return None,
        };
        if whole.starts_with('-') && nanos > 0 {
            return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanos));
        }
        Some((seconds, nanos))
    };
    parse().ok_or_else(|| Error::corrupt(format!("read tar: PAX time {}", shown(value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(key: &str, value: &[u8]) -> Vec<u8> {
        let body = key.len() + value.len() + 3;
        let mut length = body;
        while body + length.to_string().len() != length {
            length = body + length.to_string().len();
        }
        [length.to_string().as_bytes(), b" ", key.as_bytes(), b"=", value, b"\n"].concat()
    }

    #[test]
    fn values_may_hold_newlines_and_equal_signs() {
        let mut pax = Pax::default();
        let value = b"\x01\n=\0\xff";
        pax.parse(&encode("SCHILY.xattr.security.capability", value)).unwrap();
        assert_eq!(pax.xattrs, [(b"security.capability".to_vec(), value.to_vec())]);
    }

    #[test]
    fn times_keep_their_nanoseconds() {
        for (text, expected) in [
            ("12", (12, 0)),
            ("12.5", (12, 500_000_000)),
            ("1.0000000019", (1, 1)),
            ("-1.25", (-2, 750_000_000)),
            ("-0.25", (-1, 750_000_000)),
        ] {
            assert_eq!(time(text.as_bytes()).unwrap(), expected, "{text}");
        }
        for bad in ["1.x", "1.é"] {
            let refused = time(bad.as_bytes()).unwrap_err().to_string();
            assert!(refused.contains("PAX time"), "{refused}");
        }
    }

    #[test]
    fn malformed_records_are_refused() {
        for bad in [&b"5 a=b"[..], b"x a=b\n", b"999 a=b\n", b"3 a\n", b"0 a=b\n", b"6 ab\n\n"] {
            let refused = Pax::default().parse(bad).unwrap_err().to_string();
            assert!(refused.contains("PAX"), "{bad:?}: {refused}");
        }
    }
}
