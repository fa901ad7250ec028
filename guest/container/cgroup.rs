//! The container's control group (version 2), one directory below the root of the guest's hierarchy.
//!
//! Made by `init` in the guest's own view; read by `execution` to learn of OOM kills.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use boxlite_proto::v1::Resources;

use crate::{Context as _, Error, Kind, Result};

/// Where the agent mounted the hierarchy.
pub const ROOT: &str = "/sys/fs/cgroup";

/// One control group.
#[derive(Debug, Clone)]
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// The group of the container with this id, which must be plain enough for a directory name.
    pub fn of(container_id: &str) -> Result<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if container_id.is_empty() || container_id.len() > 64 || !container_id.bytes().all(plain) {
            return Err(Error::new(
                Kind::Invalid,
                format!("container id {container_id:?}: want 1 to 64 of [A-Za-z0-9_-]"),
            ));
        }
        // A prefix keeps it apart from the hierarchy's own files.
        Ok(Self(Path::new(ROOT).join(format!("box-{container_id}"))))
    }

    /// Makes the group and sets its limits. Memory and pids are always accounted: boxes look at them.
    pub fn create(&self, limits: Option<&Resources>) -> Result<()> {
        write(&Path::new(ROOT).join("cgroup.subtree_control"), "+memory +pids")?;
        match fs::create_dir(&self.0) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made.context(|| format!("make cgroup {}", self.0.display()))?,
        }
        let Some(limits) = limits else { return Ok(()) };
        if limits.memory_max > 0 {
            write(&self.0.join("memory.max"), &limits.memory_max.to_string())?;
        }
        if limits.pids_max > 0 {
            write(&self.0.join("pids.max"), &limits.pids_max.to_string())?;
        }
        Ok(())
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file that counts OOM kills.
    pub fn memory_events(&self) -> PathBuf {
        self.0.join("memory.events")
    }
}

fn write(path: &Path, value: &str) -> Result<()> {
    fs::write(path, value).context(|| format!("write {value:?} to {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_not_leave_the_hierarchy() {
        for id in ["", "..", "a/b", "a b", &"x".repeat(65)] {
            assert!(Cgroup::of(id).is_err(), "{id:?}");
        }
        assert_eq!(Cgroup::of("b_1-X").expect("plain").path(), Path::new("/sys/fs/cgroup/box-b_1-X"));
    }
}
