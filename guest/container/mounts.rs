//! The container's mounts, made after `pivot_root`.
//!
//! Called by `init`. "/" is the rootfs by now, so a destination that an untrusted image made a symlink still resolves inside it.
//! The working directory is the old root, so a relative source is a path of the agent's own.

use std::{
    fs::{self, OpenOptions},
    path::Path,
};

use boxlite_proto::v1::Mount;
use nix::mount::{MsFlags, mount};

use super::options::Options;
use crate::{Context as _, Error, Kind, Result};

/// Mounts one entry of the container's list.
pub(super) fn attach(entry: &Mount) -> Result<()> {
    let target = Path::new(&entry.destination);
    if !target.is_absolute() {
        return Err(Error::new(
            Kind::Invalid,
            format!("mount on {:?}: destination is not absolute", entry.destination),
        ));
    }
    let options = Options::parse(&entry.options);
    if options.bind.is_empty() { fresh(entry, target, &options) } else { bind(entry, target, &options) }?;
    for kind in &options.propagation {
        mount(None::<&str>, target, None::<&str>, *kind, None::<&str>)
            .context(|| format!("set the propagation of {}", target.display()))?;
    }
    Ok(())
}

fn fresh(entry: &Mount, target: &Path, options: &Options) -> Result<()> {
    make_dir(target)?;
    // The specification's "cgroup" is any version that the machine has, and this one has version 2 only.
    let fs_type = if entry.r#type == "cgroup" { "cgroup2" } else { entry.r#type.as_str() };
    mount(Some(entry.source.as_str()), target, Some(fs_type), options.flags, Some(options.data.as_str()))
        .context(|| format!("mount {fs_type} on {} with [{}]", target.display(), entry.options.join(",")))
}

fn bind(entry: &Mount, target: &Path, options: &Options) -> Result<()> {
    // The path is relative to the old root, which is the working directory.
    let source = Path::new(entry.source.trim_start_matches('/'));
    let meta = fs::metadata(source).context(|| format!("bind {} on {}", entry.source, target.display()))?;
    if meta.is_dir() { make_dir(target) } else { make_file(target) }?;
    mount(Some(source), target, None::<&str>, options.bind, None::<&str>)
        .context(|| format!("bind {} on {}", entry.source, target.display()))?;
    if options.flags.is_empty() {
        return Ok(());
    }
    // With MS_BIND, mount(2) ignores the other flags, which a remount of the bind sets.
    let flags = options.flags | options.bind | MsFlags::MS_REMOUNT;
    mount(None::<&str>, target, None::<&str>, flags, None::<&str>)
        .context(|| format!("remount {} with [{}]", target.display(), entry.options.join(",")))
}

/// Makes a directory and its parents with mode 0755, as runc does.
pub(super) fn make_dir(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).context(|| format!("make directory {} in the rootfs", path.display()))
}

fn make_file(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    if path.exists() {
        return Ok(());
    }
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(path)
        .map(drop)
        .context(|| format!("make file {} in the rootfs", path.display()))
}
