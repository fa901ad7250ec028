//! The tree itself, which `merge` fills. It is all of an image that is held in memory at once, so it is small: some 110 bytes a
//! file. Nodes live in one vector and name each other by index: no recursion, whatever depth a layer has.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

use boxlite_archive::SparseMap;

use super::{
    names::Names,
    node::{Dir, Kind, NONE, Node, NodeId, SparseId, Target},
};
use crate::{
    entry::{Attributes, Leaf, Meta, PLAIN_DIR},
    error::Error,
    limits::Limits,
    xattr::Xattr,
};

/// Steps along a path for each entry that an image may have: with symbolic links, a short name may lead through thousands.
const STEPS: u64 = 64;

/// A file system tree. Nodes that lost their last name stay in the vector and are never visited.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// Nodes that there may be: of entries, and of directories that none describes.
    most: usize,
    /// Steps from a directory to one in it that are left.
    steps: u64,
    pub(super) names: Names,
    targets: String,
    sparse: Vec<SparseMap>,
    /// Each list once: most files have none, and many the same.
    xattrs: Vec<Arc<[Xattr]>>,
    known_xattrs: HashMap<Arc<[Xattr]>, u32>,
}

impl Tree {
    pub(crate) fn new(limits: &Limits) -> Self {
        let root = Node { meta: PLAIN_DIR, xattrs: 0, kind: Kind::Dir(Dir { first: NONE, pruned: None }) };
        let most = limits.entries.saturating_add(1).min(u32::MAX.into());
        let none: Arc<[Xattr]> = Arc::default();
        Self {
            nodes: vec![root],
            most: usize::try_from(most).unwrap_or(usize::MAX),
            steps: limits.entries.saturating_mul(STEPS),
            names: Names::default(),
            targets: String::new(),
            sparse: Vec::new(),
            xattrs: vec![none.clone()],
            known_xattrs: HashMap::from([(none, 0)]),
        }
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// What a directory holds, in no order; nothing for anything else.
    pub(crate) fn children(&self, dir: NodeId) -> impl Iterator<Item = (&str, NodeId)> {
        self.names.list(match self.node(dir).kind {
            Kind::Dir(Dir { first, .. }) => first,
            _ => NONE,
        })
    }

    pub(crate) fn target(&self, of: Target) -> &str {
        let start = of.start as usize;
        &self.targets[start..start + usize::from(of.length)]
    }

    pub(crate) fn sparse(&self, id: SparseId) -> &SparseMap {
        &self.sparse[id.0.get() as usize - 1]
    }

    pub(crate) fn xattrs(&self, of: &Node) -> &[Xattr] {
        &self.xattrs[of.xattrs as usize]
    }

    /// The short form of a leaf, its parts kept with those of others.
    pub(super) fn leaf(&mut self, leaf: Leaf, layer: u16) -> Result<Kind, Error> {
        let too_much = |_| Error::too_large("merge layers: link targets of more than 4 GiB");
        Ok(match leaf {
            Leaf::Special(special) => Kind::Special(special),
            Leaf::Symlink(target) => {
                let start = u32::try_from(self.targets.len()).map_err(too_much)?;
                let length = u16::try_from(target.len()).map_err(too_much)?;
                self.targets.push_str(&target);
                Kind::Symlink(Target { start, length })
            }
            Leaf::File { ordinal, size, sparse } => {
                let sparse = sparse.map(|map| {
                    self.sparse.push(*map);
                    // There are fewer than nodes.
                    let count = u32::try_from(self.sparse.len()).unwrap_or(u32::MAX);
                    SparseId(NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN))
                });
                Kind::File { size, ordinal, layer, sparse }
            }
        })
    }

    pub(super) fn describe(&mut self, node: NodeId, attributes: Attributes) {
        let Attributes { meta, xattrs } = attributes;
        let xattrs = match self.known_xattrs.get(&*xattrs) {
            Some(&known) => known,
            None => self.keep_xattrs(xattrs.into()),
        };
        let node = &mut self.nodes[node as usize];
        (node.meta, node.xattrs) = (meta, xattrs);
    }

    fn keep_xattrs(&mut self, list: Arc<[Xattr]>) -> u32 {
        // There are fewer than nodes.
        let id = u32::try_from(self.xattrs.len()).unwrap_or(u32::MAX);
        self.xattrs.push(list.clone());
        self.known_xattrs.insert(list, id);
        id
    }

    /// Makes a directory one that its layer doesn't describe.
    pub(super) fn undescribe(&mut self, node: NodeId) {
        let node = &mut self.nodes[node as usize];
        (node.meta, node.xattrs) = (PLAIN_DIR, 0);
    }

    /// Counts a step along a path.
    pub(super) fn take_step(&mut self) -> Result<(), Error> {
        self.steps = self.steps.checked_sub(1).ok_or_else(|| {
            Error::too_large("merge layers: the image's names lead through too many directories and links")
        })?;
        Ok(())
    }

    pub(super) fn is_dir(&self, node: NodeId) -> bool {
        matches!(self.node(node).kind, Kind::Dir(_))
    }

    pub(super) fn add(&mut self, meta: Meta, kind: Kind) -> Result<NodeId, Error> {
        if self.nodes.len() >= self.most {
            return Err(Error::too_large(format!(
                "merge layers: the image has more than {} files and directories",
                self.most - 1
            )));
        }
        self.nodes.push(Node { meta, xattrs: 0, kind });
        Ok(NodeId::try_from(self.nodes.len() - 1).unwrap_or(NodeId::MAX))
    }

    pub(super) fn insert(&mut self, dir: NodeId, name: &str, node: NodeId, layer: u16) -> Result<(), Error> {
        match &mut self.nodes[dir as usize].kind {
            Kind::Dir(Dir { first, .. }) => self.names.set(dir, first, name, node, layer),
            _ => Ok(()),
        }
    }
}
