//! Extended attributes as the disk has them: the first in the inode, as long as they fit, the rest in a block (Linux,
//! `fs/ext4/xattr.h`). Called by `disk`. `xattr` has seen to it that one block is enough.

use mkext4::{
    csum,
    spec::{BLOCK_SIZE, XATTR_MAGIC},
};

use crate::xattr::Xattr;

/// Bytes of the inode that attributes may take: what its fields leave of 256.
const IN_INODE: usize = 256 - 128 - 32;
/// An entry before its name.
const ENTRY: usize = 16;
const HEADER: usize = 32;

/// The attributes of one inode, placed.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    /// What stands in the inode.
    pub(super) body: Vec<u8>,
    /// The block of the rest; zero for none.
    pub(super) block: u64,
}

/// An attribute by the number of its name space, the rest of its name, and its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'a> {
    space: u8,
    name: &'a [u8],
    value: &'a [u8],
}

impl<'a> Attribute<'a> {
    fn new((name, value): &'a Xattr) -> Self {
        // The numbers of `ext4_xattr_handler_map` in fs/ext4/xattr.c.
        let (space, name) = match name.split_once('.') {
            _ if **name == *"system.posix_acl_access" => (2, ""),
            _ if **name == *"system.posix_acl_default" => (3, ""),
            Some(("user", rest)) => (1, rest),
            Some(("trusted", rest)) => (4, rest),
            Some(("security", rest)) => (6, rest),
            _ => (7, name.split_once('.').map_or("", |(_, rest)| rest)),
        };
        Self { space, name: name.as_bytes(), value }
    }

    fn head(&self) -> usize {
        ENTRY + self.name.len().next_multiple_of(4)
    }

    fn tail(&self) -> usize {
        self.value.len().next_multiple_of(4)
    }
}

/// The part that goes into the inode, and the attributes that need a block.
pub(super) fn split(list: &[Xattr]) -> (Vec<u8>, Vec<Attribute<'_>>) {
    let mut all: Vec<_> = list.iter().map(Attribute::new).collect();
    // The order that the kernel looks them up in.
    all.sort_unstable_by_key(|attribute| (attribute.space, attribute.name.len(), attribute.name));
    // A magic number before them, and a word of zeros behind the last entry.
    let mut left = IN_INODE - 4 - 4;
    let fitting = all.iter().take_while(|attribute| {
        let rest = left.checked_sub(attribute.head() + attribute.tail());
        left = rest.unwrap_or(left);
        rest.is_some()
    });
    let fitting = fitting.count();
    let rest = all.split_off(fitting);
    if all.is_empty() {
        return (Vec::new(), rest);
    }
    let mut body = vec![0; IN_INODE];
    body[..4].copy_from_slice(&XATTR_MAGIC.to_le_bytes());
    write(&mut body[4..], 0, &all, |_| 0);
    (body, rest)
}

/// The block of the rest, which will be number `at`.
pub(super) fn block(rest: &[Attribute<'_>], seed: u32, at: u64) -> Vec<u8> {
    let hash = |attribute: &Attribute<'_>| csum::xattr_entry_hash(attribute.name, attribute.value);
    let mut block = vec![0; BLOCK_SIZE];
    // One inode uses it, and it is one block.
    for (at, word) in [(0, XATTR_MAGIC), (4, 1), (8, 1), (12, csum::xattr_block_hash(rest.iter().map(hash)))]
    {
        block[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    write(&mut block[HEADER..], HEADER, rest, hash);
    let checksum = csum::xattr_block(seed, at, &block);
    block[16..20].copy_from_slice(&checksum.to_le_bytes());
    block
}

/// Entries go up from the start of `area`, values down from its end; offsets count from `base` before it.
fn write(area: &mut [u8], base: usize, all: &[Attribute<'_>], hash: impl Fn(&Attribute<'_>) -> u32) {
    let mut head = 0;
    let mut tail = area.len();
    for attribute in all {
        let Attribute { space, name, value } = attribute;
        tail -= attribute.tail();
        area[tail..tail + value.len()].copy_from_slice(value);
        let entry = &mut area[head..head + attribute.head()];
        // Both are far below what these fields hold.
        let offset = u16::try_from(base + tail).unwrap_or(u16::MAX);
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        entry[0] = u8::try_from(name.len()).unwrap_or(u8::MAX);
        entry[1] = *space;
        entry[2..4].copy_from_slice(&offset.to_le_bytes());
        entry[8..12].copy_from_slice(&length.to_le_bytes());
        entry[12..16].copy_from_slice(&hash(attribute).to_le_bytes());
        entry[ENTRY..ENTRY + name.len()].copy_from_slice(name);
        head += attribute.head();
    }
}
