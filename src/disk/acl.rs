//! POSIX ACLs: from the form that user space and tar use to the one that ext4 stores. Called by `xattr`.
//!
//! Linux, `include/uapi/linux/posix_acl_xattr.h`: a version of 2, then 8 bytes an entry: tag, permissions, id.
//! Linux, `fs/ext4/acl.h`: a version of 1, then 4 bytes an entry, or 8 for named users and groups, which have an id.

const USER: u16 = 0x02;
const GROUP: u16 = 0x08;

/// Converts the value of a `system.posix_acl_*` attribute; `None` if it is malformed.
pub(crate) fn to_ext4(value: &[u8]) -> Option<Vec<u8>> {
    let entries = value.strip_prefix(&2_u32.to_le_bytes())?;
    let mut disk = 1_u32.to_le_bytes().to_vec();
    if entries.len() % 8 != 0 {
        return None;
    }
    for entry in entries.chunks_exact(8) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let has_id = tag == USER || tag == GROUP;
        disk.extend(&entry[..if has_id { 8 } else { 4 }]);
    }
    Some(disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_entries_keep_their_id() {
        let entry = |tag: u16, perm: u16, id: u32| {
            [&tag.to_le_bytes()[..], &perm.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        let value = [
            2_u32.to_le_bytes().to_vec(),
            entry(1, 6, u32::MAX),
            entry(USER, 4, 1000),
            entry(0x10, 6, u32::MAX),
        ]
        .concat();
        let disk = to_ext4(&value).unwrap();
        assert_eq!(disk.len(), 4 + 4 + 8 + 4);
        assert_eq!(disk[8..16], entry(USER, 4, 1000));
        assert!(to_ext4(&value[..value.len() - 1]).is_none());
        assert!(to_ext4(b"").is_none());
    }
}
