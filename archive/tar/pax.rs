//! PAX extended headers (POSIX.1-2024, pax, "pax Extended Header"), as far as layers use them. Called by `reader`.
//!
//! Not the `tar` crate's reader: that one splits records at newlines, which binary attribute values may contain.

use super::{
    error::TarError,
    pax_sparse::PaxSparse,
    value::{number, time},
};

/// What a PAX header says of the entry that follows it.
#[derive(Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<(i64, u32)>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: PaxSparse,
}

impl Pax {
    /// Adds the records of one extended header; later records win.
    pub(super) fn parse(&mut self, mut data: &[u8]) -> Result<(), TarError> {
        while !data.is_empty() {
            let (key, value, rest) =
                record(data).ok_or_else(|| TarError::corrupt("read tar: malformed PAX record"))?;
            self.set(key, value)?;
            data = rest;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarError> {
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
    fn malformed_records_are_refused() {
        for bad in [&b"5 a=b"[..], b"x a=b\n", b"999 a=b\n", b"3 a\n", b"0 a=b\n", b"6 ab\n\n"] {
            let refused = Pax::default().parse(bad).unwrap_err().to_string();
            assert!(refused.contains("PAX"), "{bad:?}: {refused}");
        }
    }
}
