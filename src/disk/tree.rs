//! The merged file system: layers applied one upon the other by the rules of OCI image-spec, layer.md. Filled by
//! `base`, declared to the ext4 engine by `ext4`.
//!
//! Nodes live in one vector and name each other by index: no recursion, whatever depth a layer asks for. Whiteouts hide
//! only what lower layers made, wherever they stand in the archive, so each name remembers the layer that made it.

use std::collections::{BTreeMap, HashSet};

use mkext4::Meta;

use crate::{
    Error,
    entry::{Attributes, Change, Entry, Leaf, split},
};

/// The kernel's bound on symbolic links in one path (Linux, `include/linux/namei.h`, `MAXSYMLINKS`).
const MAX_LINKS: usize = 40;
/// Parts that one path may have after its symbolic links are replaced: what keeps hostile links from costing much.
const MAX_PARTS: usize = 8192;

pub(crate) type NodeId = usize;
pub(crate) const ROOT: NodeId = 0;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) attributes: Attributes,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Dir(Dir),
    /// A leaf and the layer that holds its content.
    Leaf(Leaf, usize),
}

#[derive(Debug, Default)]
pub(crate) struct Dir {
    pub(crate) names: BTreeMap<Box<str>, Name>,
    /// The layer from which on nothing lower is left in here: a second whiteout has nothing to do.
    pruned: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    pub(crate) node: NodeId,
    layer: usize,
}

/// A file system tree. Nodes that lost their last name stay in the vector and are never visited.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

/// What a parent directory that no layer describes looks like.
fn plain_dir() -> Attributes {
    Attributes { meta: Meta::new(0o755, 0, 0, (0, 0)), xattrs: Box::default() }
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![Node { attributes: plain_dir(), kind: Kind::Dir(Dir::default()) }] }
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Applies one layer's change. Layers come lowest first, entries in the archive's order.
    pub(crate) fn apply(&mut self, layer: usize, entry: Entry) -> Result<(), Error> {
        let path = entry.path;
        match entry.change {
            Change::Whiteout => self.whiteout(&path, layer),
            Change::Opaque => self.opaque(&path, layer),
            Change::Link(target) => self.link(&path, &target, layer),
            Change::Dir(attributes) => self.dir(&path, attributes, layer),
            Change::Leaf(attributes, leaf) => {
                let node = self.add(attributes, Kind::Leaf(leaf, layer));
                self.name(&path, node, layer)
            }
        }
    }

    fn dir(&mut self, path: &str, attributes: Attributes, layer: usize) -> Result<(), Error> {
        if path.is_empty() {
            self.nodes[ROOT].attributes = attributes;
            return Ok(());
        }
        let (parent, name) = split(path);
        let parent = self.make_dirs(parent, layer)?;
        if let Some(existing) = self.names_mut(parent).and_then(|names| names.get_mut(name)) {
            let node = existing.node;
            if matches!(self.nodes[node].kind, Kind::Dir(_)) {
                self.nodes[node].attributes = attributes;
                self.insert(parent, name, node, layer);
                return Ok(());
            }
        }
        let node = self.add(attributes, Kind::Dir(Dir { pruned: Some(layer), ..Dir::default() }));
        self.insert(parent, name, node, layer);
        Ok(())
    }

    fn link(&mut self, path: &str, target: &str, layer: usize) -> Result<(), Error> {
        let (parent, name) = split(target);
        let node = self
            .find_dir(parent)?
            .and_then(|dir| self.child(dir, name))
            .filter(|&node| matches!(self.nodes[node].kind, Kind::Leaf(..)))
            .ok_or_else(|| {
                Error::corrupt(format!("link {path:?} in layer: no file at its target {target:?}"))
            })?;
        self.name(path, node, layer)
    }

    /// Gives `node` the name `path`, in place of whatever had it.
    fn name(&mut self, path: &str, node: NodeId, layer: usize) -> Result<(), Error> {
        let (parent, name) = split(path);
        let parent = self.make_dirs(parent, layer)?;
        self.insert(parent, name, node, layer);
        Ok(())
    }

    fn whiteout(&mut self, path: &str, layer: usize) -> Result<(), Error> {
        let (parent, name) = split(path);
        let Some(parent) = self.find_dir(parent)? else {
            return Ok(());
        };
        let Some(found) = self.names_mut(parent).and_then(|names| names.get(name).copied()) else {
            return Ok(());
        };
        let keeps = self.prune(found.node, layer);
        if found.layer == layer {
            return Ok(());
        }
        if keeps {
            self.nodes[found.node].attributes = plain_dir();
            self.insert(parent, name, found.node, layer);
        } else if let Some(names) = self.names_mut(parent) {
            names.remove(name);
        }
        Ok(())
    }

    fn opaque(&mut self, path: &str, layer: usize) -> Result<(), Error> {
        if let Some(dir) = self.find_dir(path)? {
            self.prune(dir, layer);
        }
        Ok(())
    }

    /// Removes everything below `top` that lower layers made; whether anything of this layer is left.
    fn prune(&mut self, top: NodeId, layer: usize) -> bool {
        // Directories that keep something, and those to go through, parents first.
        let mut keeping: HashSet<NodeId> = HashSet::new();
        let mut dirs = Vec::new();
        let mut open = vec![top];
        while let Some(node) = open.pop() {
            let Kind::Dir(Dir { names, pruned }) = &mut self.nodes[node].kind else {
                continue;
            };
            if pruned.replace(layer) != Some(layer) {
                dirs.push(node);
                open.extend(names.values().map(|name| name.node));
            } else if !names.is_empty() {
                keeping.insert(node);
            }
        }
        while let Some(dir) = dirs.pop() {
            let mut undescribed = Vec::new();
            let Some(names) = self.names_mut(dir) else {
                continue;
            };
            names.retain(|_, name| {
                if name.layer != layer && keeping.contains(&name.node) {
                    // This layer puts something into a new directory of that name, which it doesn't describe.
                    name.layer = layer;
                    undescribed.push(name.node);
                }
                name.layer == layer
            });
            if !names.is_empty() {
                keeping.insert(dir);
            }
            for node in undescribed {
                self.nodes[node].attributes = plain_dir();
            }
        }
        keeping.contains(&top)
    }

    /// The directory at `path`, if there is one.
    fn find_dir(&self, path: &str) -> Result<Option<NodeId>, Error> {
        let mut walk = Walk::new(path);
        while let Some(part) = walk.next_part()? {
            match self.child(walk.dir(), &part) {
                Some(node) => match &self.nodes[node].kind {
                    Kind::Dir(_) => walk.enter(node),
                    Kind::Leaf(Leaf::Symlink(target), _) => walk.follow(target)?,
                    Kind::Leaf(..) => return Ok(None),
                },
                None => return Ok(None),
            }
        }
        Ok(Some(walk.dir()))
    }

    /// The directory at `path`; what is missing of it is made, owned by root and with mode 0755. A file in the way is
    /// replaced, a symbolic link followed inside the root, as container engines do when they unpack a layer.
    fn make_dirs(&mut self, path: &str, layer: usize) -> Result<NodeId, Error> {
        let mut walk = Walk::new(path);
        while let Some(part) = walk.next_part()? {
            let dir = walk.dir();
            if let Some(node) = self.child(dir, &part) {
                match &self.nodes[node].kind {
                    Kind::Dir(_) => {
                        walk.enter(node);
                        continue;
                    }
                    Kind::Leaf(Leaf::Symlink(target), _) => {
                        walk.follow(target)?;
                        continue;
                    }
                    Kind::Leaf(..) => {}
                }
            }
            check_name(&part)?;
            let kind = Kind::Dir(Dir { pruned: Some(layer), ..Dir::default() });
            let node = self.add(plain_dir(), kind);
            self.insert(dir, &part, node, layer);
            walk.enter(node);
        }
        Ok(walk.dir())
    }

    fn add(&mut self, attributes: Attributes, kind: Kind) -> NodeId {
        self.nodes.push(Node { attributes, kind });
        self.nodes.len() - 1
    }

    fn insert(&mut self, dir: NodeId, name: &str, node: NodeId, layer: usize) {
        if let Some(names) = self.names_mut(dir) {
            names.insert(name.into(), Name { node, layer });
        }
    }

    fn child(&self, dir: NodeId, name: &str) -> Option<NodeId> {
        match &self.nodes[dir].kind {
            Kind::Dir(dir) => dir.names.get(name).map(|name| name.node),
            Kind::Leaf(..) => None,
        }
    }

    fn names_mut(&mut self, dir: NodeId) -> Option<&mut BTreeMap<Box<str>, Name>> {
        match &mut self.nodes[dir].kind {
            Kind::Dir(dir) => Some(&mut dir.names),
            Kind::Leaf(..) => None,
        }
    }
}

/// A link's target may have parts that no entry's own name can have.
fn check_name(part: &str) -> Result<(), Error> {
    if part.len() > 255 {
        return Err(Error::unsupported(format!("a name of {} bytes", part.len())));
    }
    Ok(())
}

/// A walk along a path that stays below the root.
struct Walk {
    /// From the root to where the walk is.
    dirs: Vec<NodeId>,
    /// What is still to walk, last part first.
    parts: Vec<Box<str>>,
    links: usize,
    walked: usize,
}

impl Walk {
    fn new(path: &str) -> Self {
        Self { dirs: vec![ROOT], parts: path.rsplit('/').map(Box::from).collect(), links: 0, walked: 0 }
    }

    fn dir(&self) -> NodeId {
        self.dirs.last().copied().unwrap_or(ROOT)
    }

    fn next_part(&mut self) -> Result<Option<Box<str>>, Error> {
        while let Some(part) = self.parts.pop() {
            self.walked += 1;
            if self.walked > MAX_PARTS {
                return Err(Error::unsupported("a path that leads through too many links"));
            }
            match &*part {
                "" | "." => {}
                // Above the root is the root.
                ".." => self.dirs.truncate(self.dirs.len().max(2) - 1),
                _ => return Ok(Some(part)),
            }
        }
        Ok(None)
    }

    fn enter(&mut self, dir: NodeId) {
        self.dirs.push(dir);
    }

    fn follow(&mut self, target: &str) -> Result<(), Error> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Error::corrupt("a path that leads through a loop of symbolic links"));
        }
        if target.starts_with('/') {
            self.dirs.truncate(1);
        }
        self.parts.extend(target.rsplit('/').map(Box::from));
        Ok(())
    }
}
