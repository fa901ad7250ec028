//! How a layer changes the tree below it: OCI image-spec, layer.md. [`Tree::apply`] is called by `base` for each entry.
//!
//! Whiteouts hide only what lower layers made, wherever they stand in the archive, so each name remembers the layer that
//! made it.

use std::collections::HashSet;

use super::{
    merged::Tree,
    names::Name,
    node::{Dir, Kind, NONE, NodeId, ROOT},
    walk::Walk,
};
use crate::{
    entry::{Attributes, Change, Entry, PLAIN_DIR, split},
    error::Error,
};

impl Tree {
    /// Applies one layer's change. Layers come lowest first, entries in the archive's order.
    pub(crate) fn apply(&mut self, layer: u16, entry: Entry) -> Result<(), Error> {
        let path = entry.path;
        match entry.change {
            Change::Whiteout => self.whiteout(&path, layer),
            Change::Opaque => self.opaque(&path, layer),
            Change::Link(target) => self.link(&path, &target, layer),
            Change::Dir(attributes) => self.dir(&path, attributes, layer),
            Change::Leaf(attributes, leaf) => {
                let kind = self.leaf(leaf, layer)?;
                let node = self.add(PLAIN_DIR, kind)?;
                self.describe(node, attributes);
                self.name(&path, node, layer)
            }
        }
    }

    fn dir(&mut self, path: &str, attributes: Attributes, layer: u16) -> Result<(), Error> {
        if path.is_empty() {
            self.describe(ROOT, attributes);
            return Ok(());
        }
        let (parent, name) = split(path);
        let parent = self.make_dirs(parent, layer)?;
        let existing = self.names.get(parent, name).filter(|name| self.is_dir(name.node));
        let node = match existing {
            Some(name) => name.node,
            None => self.add(PLAIN_DIR, Kind::Dir(Dir { first: NONE, pruned: Some(layer) }))?,
        };
        self.describe(node, attributes);
        self.insert(parent, name, node, layer)
    }

    fn link(&mut self, path: &str, target: &str, layer: u16) -> Result<(), Error> {
        let (parent, name) = split(target);
        let node = self
            .find_dir(parent)?
            .and_then(|dir| self.names.get(dir, name))
            .map(|name| name.node)
            .filter(|&node| !self.is_dir(node))
            .ok_or_else(|| {
                Error::corrupt(format!("link {path:?} in layer: no file at its target {target:?}"))
            })?;
        self.name(path, node, layer)
    }

    /// Gives `node` the name `path`, in place of whatever had it.
    fn name(&mut self, path: &str, node: NodeId, layer: u16) -> Result<(), Error> {
        let (parent, name) = split(path);
        let parent = self.make_dirs(parent, layer)?;
        self.insert(parent, name, node, layer)
    }

    fn whiteout(&mut self, path: &str, layer: u16) -> Result<(), Error> {
        let (parent, name) = split(path);
        let Some(parent) = self.find_dir(parent)? else {
            return Ok(());
        };
        let Some(found) = self.names.get(parent, name) else {
            return Ok(());
        };
        let keeps = self.prune(found.node, layer);
        if found.layer == layer {
            return Ok(());
        }
        if keeps {
            self.undescribe(found.node);
            return self.insert(parent, name, found.node, layer);
        }
        self.names.remove(parent, name);
        Ok(())
    }

    fn opaque(&mut self, path: &str, layer: u16) -> Result<(), Error> {
        if let Some(dir) = self.find_dir(path)? {
            self.prune(dir, layer);
        }
        Ok(())
    }

    /// Removes everything below `top` that lower layers made; whether anything of this layer is left.
    fn prune(&mut self, top: NodeId, layer: u16) -> bool {
        // Directories that keep something, and those to go through, parents first.
        let mut keeping: HashSet<NodeId> = HashSet::new();
        let mut dirs = Vec::new();
        let mut open = vec![top];
        while let Some(node) = open.pop() {
            let Kind::Dir(Dir { first, pruned }) = &mut self.nodes[node as usize].kind else {
                continue;
            };
            if pruned.replace(layer) != Some(layer) {
                dirs.push(node);
                open.extend(self.names.list(*first).map(|(_, node)| node));
            } else if self.names.list(*first).next().is_some() {
                keeping.insert(node);
            }
        }
        while let Some(dir) = dirs.pop() {
            let mut undescribed = Vec::new();
            let Kind::Dir(Dir { first, .. }) = &mut self.nodes[dir as usize].kind else {
                continue;
            };
            *first = self.names.retain(*first, |name: &mut Name| {
                if name.layer != layer && keeping.contains(&name.node) {
                    // This layer puts something into a new directory of that name, which it doesn't describe.
                    name.layer = layer;
                    undescribed.push(name.node);
                }
                name.layer == layer
            });
            if *first != NONE {
                keeping.insert(dir);
            }
            for node in undescribed {
                self.undescribe(node);
            }
        }
        keeping.contains(&top)
    }

    /// The directory at `path`, if there is one.
    fn find_dir(&mut self, path: &str) -> Result<Option<NodeId>, Error> {
        let mut walk = Walk::new(path);
        while let Some(part) = walk.next_part()? {
            if !self.step(&mut walk, &part)? {
                return Ok(None);
            }
        }
        Ok(Some(walk.dir()))
    }

    /// The directory at `path`; what is missing of it is made, owned by root and with mode 0755. A file in the way is
    /// replaced, a symbolic link followed inside the root, as container engines do when they unpack a layer.
    fn make_dirs(&mut self, path: &str, layer: u16) -> Result<NodeId, Error> {
        let mut walk = Walk::new(path);
        while let Some(part) = walk.next_part()? {
            if !self.step(&mut walk, &part)? {
                let node = self.add(PLAIN_DIR, Kind::Dir(Dir { first: NONE, pruned: Some(layer) }))?;
                self.insert(walk.dir(), &part, node, layer)?;
                walk.enter(node)?;
            }
        }
        Ok(walk.dir())
    }

    /// Goes on to `part`, if that is a directory or a symbolic link. Returns whether it is.
    fn step(&mut self, walk: &mut Walk, part: &str) -> Result<bool, Error> {
        self.take_step()?;
        let Some(name) = self.names.get(walk.dir(), part) else { return Ok(false) };
        match self.node(name.node).kind {
            Kind::Dir(_) => walk.enter(name.node)?,
            Kind::Symlink(target) => walk.follow(self.target(target))?,
            Kind::File { .. } | Kind::Special(_) => return Ok(false),
        }
        Ok(true)
    }
}
