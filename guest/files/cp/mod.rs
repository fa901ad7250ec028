//! `fs.cp`: a file or a tree inside the box, by Node's rules for what exists. Called by `call`.
//!
//! Nothing recurses, and both trees are walked from descriptor to descriptor, so neither a deep tree nor a symlink that replaces a
//! folder meanwhile leads outside. With a filter, which is JavaScript's, the host requests one folder at a time (`shallow`).

mod copy;
mod leaf;
mod pair;
mod refusal;
mod status;
mod walk;

pub(super) use copy::copy;
