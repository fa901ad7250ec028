//! The order in which a tree's nodes lie on the disk, and their inode numbers. Made once, before anything is written; used by
//! `image`.
//!
//! Directories come first, each directory's by name before those below them; then files in the order in which the layers hold
//! them, so that content is written in one ascending sweep; then all else. The same tree gives the same order.

use mkext4::spec::{LINK_MAX, ROOT_INO};

use crate::{
    error::Error,
    tree::{Kind, NodeId, ROOT, Tree},
};

/// The file system's own directory in every root: where e2fsck puts what it finds.
pub(super) const LOST_FOUND: &str = "lost+found";
pub(super) const LOST_FOUND_INO: u32 = 11;

#[derive(Debug)]
pub(super) struct Order {
    /// Directories with the inode of the one that each is in.
    pub(super) dirs: Vec<(NodeId, u32)>,
    pub(super) files: Vec<NodeId>,
    pub(super) others: Vec<NodeId>,
    /// The highest inode that is used; so are all below.
    pub(super) last: u32,
    /// Inode numbers by node; zero for those that no name leads to.
    inodes: Vec<u32>,
    /// Names, by node, of all but directories.
    links: Vec<u16>,
}

impl Order {
    pub(super) fn of(tree: &Tree) -> Result<Self, Error> {
        let mut order = Self {
            dirs: Vec::new(),
            files: Vec::new(),
            others: Vec::new(),
            last: LOST_FOUND_INO,
            inodes: vec![0; tree.len()],
            links: vec![0; tree.len()],
        };
        lost_found(tree)?;
        order.inodes[ROOT as usize] = ROOT_INO;
        order.dirs.push((ROOT, ROOT_INO));
        let mut open = vec![ROOT];
        while let Some(dir) = open.pop() {
            let from = open.len();
            let number = order.inode(dir);
            for (name, node) in children(tree, dir) {
                if matches!(tree.node(node).kind, Kind::Dir(_)) {
                    order.number(node);
                    order.dirs.push((node, number));
                    open.push(node);
                } else {
                    order.link(tree, node, name)?;
                }
            }
            open[from..].reverse();
        }
        order.files.sort_unstable_by_key(|&node| match tree.node(node).kind {
            Kind::File { layer, ordinal, .. } => (layer, ordinal),
            _ => (u16::MAX, u32::MAX),
        });
        for at in 0..order.files.len() {
            order.number(order.files[at]);
        }
        for at in 0..order.others.len() {
            order.number(order.others[at]);
        }
        Ok(order)
    }

    pub(super) fn inode(&self, node: NodeId) -> u32 {
        self.inodes[node as usize]
    }

    /// How many names lead to a node that is no directory.
    pub(super) fn links(&self, node: NodeId) -> u32 {
        self.links[node as usize].into()
    }

    fn number(&mut self, node: NodeId) {
        self.last += 1;
        self.inodes[node as usize] = self.last;
    }

    fn link(&mut self, tree: &Tree, node: NodeId, name: &str) -> Result<(), Error> {
        let links = &mut self.links[node as usize];
        *links = links.saturating_add(1);
        match *links {
            1 if matches!(tree.node(node).kind, Kind::File { .. }) => self.files.push(node),
            1 => self.others.push(node),
            count if u32::from(count) > LINK_MAX => {
                return Err(Error::unsupported(format!(
                    "lay out the disk image: {name:?} is one of more than {LINK_MAX} names of a file"
                )));
            }
            _ => {}
        }
        Ok(())
    }
}

/// What a directory holds, by name.
fn children(tree: &Tree, id: NodeId) -> Vec<(&str, NodeId)> {
    let mut children: Vec<_> = listed(tree, id).collect();
    children.sort_unstable();
    children
}

/// What a directory holds, in no order, but for the image's own `/lost+found`.
pub(super) fn listed(tree: &Tree, id: NodeId) -> impl Iterator<Item = (&str, NodeId)> {
    tree.children(id).filter(move |(name, _)| id != ROOT || *name != LOST_FOUND)
}

/// An image's own `/lost+found` gives way to the file system's, which is empty: what an image has there is some other
/// disk's debris.
fn lost_found(tree: &Tree) -> Result<(), Error> {
    match tree.children(ROOT).find(|(name, _)| *name == LOST_FOUND) {
        Some((_, node)) if !matches!(tree.node(node).kind, Kind::Dir(_)) => {
            Err(Error::unsupported("lay out the disk image: /lost+found is no directory"))
        }
        _ => Ok(()),
    }
}
