//! Extended attributes: which of a tar entry's survive, and whether ext4 can hold them. Called by `entry`.

use std::collections::BTreeMap;

use crate::{acl, error::Error};

/// Name and value, as the ext4 engine takes them.
pub(crate) type Xattr = (Box<str>, Box<[u8]>);

/// What ext4 has for the attributes of one file beyond the few that fit its inode: one block less its header and end
/// mark (Linux, `fs/ext4/xattr.h`).
const ROOM: usize = 4096 - 32 - 4;

/// Takes over the attributes of an entry; a later one of the same name wins.
///
/// Attributes of unknown namespaces (macOS writes some) are dropped, as the kernel would refuse them. So are
/// `trusted.overlay.*`: they are another host's bookkeeping and would mislead an overlayfs inside the box.
pub(crate) fn keep(raw: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Box<[Xattr]>, Error> {
    let mut kept: BTreeMap<Box<str>, Box<[u8]>> = BTreeMap::new();
    for (name, value) in raw {
        let Ok(name) = String::from_utf8(name) else {
            return Err(Error::unsupported("extended attribute name that is not UTF-8"));
        };
        if !known(&name) {
            continue;
        }
        // The kernel takes a file system with such a name for damaged.
        if name.contains('\0') {
            return Err(Error::unsupported(format!("extended attribute {name:?} with a NUL in its name")));
        }
        let value = if name.starts_with("system.posix_acl_") {
            acl::to_ext4(&value).ok_or_else(|| Error::corrupt(format!("malformed {name}")))?
        } else {
            value
        };
        kept.insert(name.into(), value.into());
    }
    let size: usize = kept
        .iter()
        .map(|(name, value)| 16 + name.len().next_multiple_of(4) + value.len().next_multiple_of(4))
        .sum();
    if size > ROOM || kept.iter().any(|(name, _)| name.len() > 255) {
        return Err(Error::unsupported(format!(
            "{size} bytes of extended attributes, of which ext4 holds {ROOM}"
        )));
    }
    Ok(kept.into_iter().collect())
}

fn known(name: &str) -> bool {
    match name.split_once('.') {
        Some(("user" | "security", rest)) => !rest.is_empty(),
        Some(("trusted", rest)) => !rest.is_empty() && !rest.starts_with("overlay."),
        Some(("system", rest)) => matches!(rest, "posix_acl_access" | "posix_acl_default"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &[u8]) -> (Vec<u8>, Vec<u8>) {
        (name.into(), value.into())
    }

    #[test]
    fn the_last_of_a_name_wins_and_foreign_names_go() {
        let kept = keep(vec![
            pair("user.a", b"1"),
            pair("com.apple.quarantine", b"x"),
            pair("trusted.overlay.opaque", b"y"),
            pair("security.capability", b"\x01\n"),
            pair("user.a", b"2"),
        ])
        .unwrap();
        let names: Vec<_> = kept.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(names, [("security.capability", &b"\x01\n"[..]), ("user.a", b"2")]);
    }

    #[test]
    fn more_than_a_block_is_refused() {
        let refused = |pair| keep(vec![pair]).unwrap_err().to_string();
        let big = refused(pair("user.big", &[0; 5000]));
        assert!(big.contains("extended attributes"), "{big}");
        assert!(keep(vec![pair("user.\u{e9}", b"")]).is_ok());
        assert!(refused((b"user.\xff".to_vec(), vec![])).contains("not UTF-8"));
        assert!(refused((b"user.a\0b".to_vec(), vec![])).contains("with a NUL in its name"));
    }

    #[test]
    fn names_by_the_ten_thousand_cost_no_more_than_their_letters() {
        // Each pair of them compared would take minutes.
        let raw = (0..2_000_000).map(|n| pair(&format!("user.{}", n % 7), b"")).collect();
        assert_eq!(keep(raw).unwrap().len(), 7);
        let raw = (0..200_000).map(|n| pair(&format!("user.{n}"), b"")).collect();
        assert!(keep(raw).unwrap_err().to_string().contains("of which ext4 holds"));
    }
}
