//! POSIX ACLs: from the form that user space and tar use to the one that ext4 stores. Called by `xattr`.
//!
//! Linux, `include/uapi/linux/posix_acl_xattr.h`: a version of 2, then 8 bytes an entry: tag, permissions, id.
//! Linux, `fs/ext4/acl.h`: a version of 1, then 4 bytes an entry, or 8 for named users and groups, which have an id.

// The tags, in the order in which they stand.
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const OWNING_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// Converts the value of a `system.posix_acl_*` attribute; `None` if it is malformed.
pub(crate) fn to_ext4(value: &[u8]) -> Option<Vec<u8>> {
    let entries = value.strip_prefix(&2_u32.to_le_bytes())?;
    let mut disk = 1_u32.to_le_bytes().to_vec();
    if entries.len() % 8 != 0 {
        return None;
    }
    let mut last = 0;
    for entry in entries.chunks_exact(8) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        // The kernel refuses every access to a file with entries of other kinds, in another order, or twice.
        let named = tag == USER || tag == GROUP;
        let known = matches!(tag, OWNER | USER | OWNING_GROUP | GROUP | MASK | OTHER);
        if !known || tag < last || tag == last && !named || entry[2] > 7 || entry[3] != 0 {
            return None;
        }
        last = tag;
        disk.extend(&entry[..if named { 8 } else { 4 }]);
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
        let list = |entries: &[Vec<u8>]| [&2_u32.to_le_bytes()[..], &entries.concat()].concat();
        for bad in [
            vec![entry(3, 6, 0)],
            vec![entry(0x40, 6, 0)],
            vec![entry(1, 8, 0)],
            vec![entry(1, 6, 0), entry(1, 6, 0)],
            vec![entry(0x20, 6, 0), entry(1, 6, 0)],
        ] {
            assert!(to_ext4(&list(&bad)).is_none(), "{bad:?}");
        }
    }
}
