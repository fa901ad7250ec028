//! A walk along a path that stays below the root, whatever symbolic links it leads through. Used by `merge`.

use super::node::{NodeId, ROOT};
use crate::error::Error;

/// The kernel's bound on symbolic links in one path (Linux, `include/linux/namei.h`, `MAXSYMLINKS`).
const MAX_LINKS: usize = 40;
/// Parts that one path may have after its symbolic links are replaced: what keeps hostile links from costing much.
const MAX_PARTS: usize = 8192;

/// As deep as folders may lie in each other, which no path of Linux's own could reach beyond: with symbolic links to start
/// from, a layer could go on for ever.
const MAX_DEPTH: usize = 2048;

/// Where a walk is, and what it has before it.
pub(super) struct Walk {
    /// From the root to where the walk is.
    dirs: Vec<NodeId>,
    /// What is still to walk, last part first.
    parts: Vec<Box<str>>,
    links: usize,
    walked: usize,
}

impl Walk {
    pub(super) fn new(path: &str) -> Self {
        Self { dirs: vec![ROOT], parts: path.rsplit('/').map(Box::from).collect(), links: 0, walked: 0 }
    }

    pub(super) fn dir(&self) -> NodeId {
        self.dirs.last().copied().unwrap_or(ROOT)
    }

    pub(super) fn next_part(&mut self) -> Result<Option<Box<str>>, Error> {
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

    pub(super) fn enter(&mut self, dir: NodeId) -> Result<(), Error> {
        if self.dirs.len() > MAX_DEPTH {
            return Err(Error::unsupported(format!("more than {MAX_DEPTH} directories in each other")));
        }
        self.dirs.push(dir);
        Ok(())
    }

    pub(super) fn follow(&mut self, target: &str) -> Result<(), Error> {
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
