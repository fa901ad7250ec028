//! The names of a tree's directories: one table for all of them, because an image has very many and most directories few.
//! A name costs 20 bytes, its letters and about 8 in the table. Used by `merged` and `merge`.
//!
//! Names of one directory hang together in a list, in no order; who wants one sorts. A name that was removed stays in its
//! list, marked, until the list is gone through by [`Names::retain`].

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::node::{NONE, NameId, NodeId};
use crate::error::Error;

/// The node of a name that was removed.
const GONE: NodeId = NodeId::MAX;

/// A name, the directory that it is in, and what it names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    dir: NodeId,
    pub(super) node: NodeId,
    next: NameId,
    start: u32,
    /// The layer that made it.
    pub(super) layer: u16,
    length: u8,
}

#[derive(Debug, Default)]
pub(super) struct Names {
    /// The letters of all names, one behind the other.
    letters: Vec<u8>,
    all: Vec<Name>,
    /// By directory and letters. Keyed anew in every process, as its content is hostile; never iterated.
    table: HashTable<NameId>,
    hasher: RandomState,
}

impl Names {
    pub(super) fn get(&self, dir: NodeId, letters: &str) -> Option<Name> {
        self.find(dir, letters).map(|id| self.all[id as usize])
    }

    /// Makes `letters` in `dir`, whose list begins with `first`, the name of `node`, whatever it named before.
    pub(super) fn set(
        &mut self,
        dir: NodeId,
        first: &mut NameId,
        letters: &str,
        node: NodeId,
        layer: u16,
    ) -> Result<(), Error> {
        if let Some(id) = self.find(dir, letters) {
            let name = &mut self.all[id as usize];
            (name.node, name.layer) = (node, layer);
            return Ok(());
        }
        let too_many = |_| Error::too_large("merge layers: their names take more than 4 GiB");
        let start = u32::try_from(self.letters.len()).map_err(too_many)?;
        let id = u32::try_from(self.all.len()).map_err(too_many)?;
        let length = u8::try_from(letters.len())
            .map_err(|_| Error::unsupported(format!("a name of {} bytes", letters.len())))?;
        self.letters.extend(letters.as_bytes());
        self.all.push(Name { dir, node, next: *first, start, layer, length });
        *first = id;
        let Self { letters: letters_of_all, all, table, hasher } = self;
        table.insert_unique(hasher.hash_one((dir, letters.as_bytes())), id, |&other| {
            let name = &all[other as usize];
            hasher.hash_one((name.dir, text(letters_of_all, name)))
        });
        Ok(())
    }

    pub(super) fn remove(&mut self, dir: NodeId, letters: &str) {
        if let Some(id) = self.find(dir, letters) {
            self.forget(id);
        }
    }

    /// The letters and nodes of a directory whose list begins with `first`.
    pub(super) fn list(&self, first: NameId) -> impl Iterator<Item = (&str, NodeId)> {
        let at = |id: NameId| self.all.get(id as usize);
        std::iter::successors(at(first), move |name| at(name.next))
            .filter(|name| name.node != GONE)
            // They came as text, and nothing changes them.
            .map(|name| (str::from_utf8(text(&self.letters, name)).unwrap_or_default(), name.node))
    }

    /// Removes what `keep` doesn't want of the list that begins with `first`, and returns its new beginning.
    pub(super) fn retain(&mut self, first: NameId, mut keep: impl FnMut(&mut Name) -> bool) -> NameId {
        let mut kept = NONE;
        let mut at = first;
        while let Some(name) = self.all.get_mut(at as usize) {
            let id = std::mem::replace(&mut at, name.next);
            if name.node == GONE {
                continue;
            }
            if keep(name) {
                name.next = std::mem::replace(&mut kept, id);
            } else {
                self.forget(id);
            }
        }
        kept
    }

    fn find(&self, dir: NodeId, letters: &str) -> Option<NameId> {
        let hash = self.hasher.hash_one((dir, letters.as_bytes()));
        let is_it = |&id: &NameId| is(&self.letters, &self.all[id as usize], dir, letters.as_bytes());
        self.table.find(hash, is_it).copied()
    }

    fn forget(&mut self, id: NameId) {
        let name = &mut self.all[id as usize];
        let hash = self.hasher.hash_one((name.dir, text(&self.letters, name)));
        name.node = GONE;
        if let Ok(found) = self.table.find_entry(hash, |&other| other == id) {
            found.remove();
        }
    }
}

fn text<'a>(letters: &'a [u8], name: &Name) -> &'a [u8] {
    let start = name.start as usize;
    &letters[start..start + usize::from(name.length)]
}

fn is(all: &[u8], name: &Name, dir: NodeId, letters: &[u8]) -> bool {
    name.dir == dir && text(all, name) == letters
}
