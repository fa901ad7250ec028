//! Random layers against a model that is too simple to be wrong: a flat map from path to what is there.

use std::{collections::BTreeMap, fs::File};

use mkext4::reader::Fs;
use tar::EntryType;

use crate::{
    layer::{Entry, Layer, entry},
    oracle::Home,
};

/// xorshift64*: the same seed gives the same layers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % bound
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Dir {
        mode: u32,
    },
    /// Content, and a number that hard links share.
    File {
        data: String,
        inode: usize,
    },
}

#[derive(Default)]
struct Model {
    nodes: BTreeMap<String, (What, usize)>,
    inodes: usize,
}

impl Model {
    fn parents(&mut self, path: &str, layer: usize) {
        for (at, _) in path.match_indices('/') {
            let dir = &path[..at];
            if !matches!(self.nodes.get(dir), Some((What::Dir { .. }, _))) {
                self.nodes.insert(dir.into(), (What::Dir { mode: 0o755 }, layer));
            }
        }
    }

    fn put(&mut self, path: &str, what: What, layer: usize) {
        self.parents(path, layer);
        let both_dirs =
            matches!((self.nodes.get(path), &what), (Some((What::Dir { .. }, _)), What::Dir { .. }));
        if !both_dirs {
            self.nodes.retain(|other, _| !inside(other, path));
        }
        self.nodes.insert(path.into(), (what, layer));
    }

    /// Removes what lower layers have inside `dir`, and `dir` itself if `whole`.
    fn hide(&mut self, dir: &str, whole: bool, layer: usize) {
        self.nodes.retain(|path, (_, made)| !(inside(path, dir) || whole && path == dir) || *made == layer);
        let orphans: Vec<_> = self.nodes.keys().filter(|path| inside(path, dir)).cloned().collect();
        for path in orphans {
            self.parents(&path, layer);
        }
    }
}

fn inside(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

fn random_path(random: &mut Random) -> String {
    let depth = 1 + random.below(4);
    let parts: Vec<_> = (0..depth).map(|_| ["a", "b", "c"][random.below(3)]).collect();
    parts.join("/")
}

/// Adds one random entry to the layer and the model.
fn step(layer: Layer, model: &mut Model, number: usize, random: &mut Random) -> Layer {
    let path = random_path(random);
    let (dir, name) = path.rsplit_once('/').map_or(("", &*path), |(dir, name)| (dir, name));
    let beside = |name: &str| if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
    match random.below(10) {
        0..=2 => {
            let data = format!("{number}:{}", random.below(1000));
            model.inodes += 1;
            let inode = model.inodes;
            model.put(&path, What::File { data: data.clone(), inode }, number);
            layer.file(&path, data)
        }
        3..=4 => {
            let mode = [0o700, 0o711, 0o755][random.below(3)];
            model.put(&path, What::Dir { mode }, number);
            layer.add(Entry { mode, ..entry(EntryType::Directory, &path) })
        }
        5..=6 => {
            let files: Vec<_> =
                model.nodes.iter().filter(|(_, (what, _))| matches!(what, What::File { .. })).collect();
            let Some((target, (what, _))) = files.get(random.below(files.len().max(1))).copied() else {
                return layer;
            };
            let (target, what) = (target.clone(), what.clone());
            // A link into its own target's place would remove the target first in some tools; nobody writes it.
            if inside(&path, &target) || inside(&target, &path) || target == path {
                return layer;
            }
            model.put(&path, what, number);
            layer.link(&path, &target)
        }
        7..=8 => {
            model.hide(&path, true, number);
            layer.file(&beside(&format!(".wh.{name}")), "")
        }
        _ => {
            if matches!(model.nodes.get(&path), Some((What::Dir { .. }, _))) {
                model.hide(&path, false, number);
            }
            layer.file(&format!("{path}/.wh..wh..opq"), "")
        }
    }
}

/// Reads the disk back into the shape of the model, inodes numbered as they are found.
fn read(fs: &Fs<File>) -> BTreeMap<String, What> {
    let mut found = BTreeMap::new();
    let mut open = vec![(String::new(), fs.resolve("/").unwrap())];
    while let Some((dir, ino)) = open.pop() {
        for item in fs.read_dir(ino).unwrap() {
            let name = String::from_utf8(item.name).unwrap();
            if matches!(name.as_str(), "." | ".." | "lost+found") {
                continue;
            }
            let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
            let inode = fs.inode(item.inode).unwrap();
            let what = if inode.mode & 0xf000 == 0x4000 {
                open.push((path.clone(), item.inode));
                What::Dir { mode: u32::from(inode.mode) & 0o7777 }
            } else {
                let data = String::from_utf8(fs.read_file(item.inode).unwrap()).unwrap();
                What::File { data, inode: usize::try_from(item.inode).unwrap() }
            };
            found.insert(path, what);
        }
    }
    renumbered(found)
}

/// Inodes numbered in the order of their first path, so that only the sharing counts.
fn renumbered(mut nodes: BTreeMap<String, What>) -> BTreeMap<String, What> {
    let mut seen = Vec::new();
    for what in nodes.values_mut() {
        if let What::File { inode, .. } = what {
            let at = seen.iter().position(|old| old == inode).unwrap_or_else(|| {
                seen.push(*inode);
                seen.len() - 1
            });
            *inode = at;
        }
    }
    nodes
}

#[test]
fn random_layers_merge_as_the_model_says() {
    for seed in 1..=150 {
        let mut random = Random(seed * 7919);
        let mut model = Model::default();
        let layers: Vec<_> = (0..=random.below(4))
            .map(|number| {
                (0..random.below(14))
                    .fold(Layer::default(), |layer, _| step(layer, &mut model, number, &mut random))
            })
            .collect();
        let home = Home::with(|options| options.virtual_size = 256 << 20);
        let disk = home.build(&layers);
        let fs = Fs::open(File::open(&disk.path).unwrap()).unwrap();
        let expected = model.nodes.into_iter().map(|(path, (what, _))| (path, what)).collect();
        assert_eq!(read(&fs), renumbered(expected), "seed {seed}");
    }
}
