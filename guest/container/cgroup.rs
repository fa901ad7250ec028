//! The container's control group (version 2), one directory below the root of the guest's hierarchy.
//!
//! Made by the zygote in the guest's own view of the hierarchy; read by `execution` for OOM kills.

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
    ///
    /// # Errors
    ///
    /// The id is not plain enough.
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

    /// Makes the group and sets its limits. Memory and pids are always accounted, for metrics. With `whole` it has every controller
    /// of the machine, which groups below can then have too.
    ///
    /// # Errors
    ///
    /// The kernel refuses the group or a limit.
    pub fn create(&self, limits: Option<&Resources>, whole: bool) -> Result<()> {
        let root = Path::new(ROOT);
        let controllers = if whole { every_controller(root)? } else { "+memory +pids".to_owned() };
        write(&root.join("cgroup.subtree_control"), &controllers)?;
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

    /// Moves this process into a group below, since a group that has processes of its own can't pass controllers on (Linux
    /// `Documentation/admin-guide/cgroup-v2.rst`, "No Internal Process Constraint").
    ///
    /// # Errors
    ///
    /// The kernel refuses the group or the move.
    pub fn step_down(&self) -> Result<()> {
        let below = self.0.join("init");
        fs::create_dir(&below).context(|| format!("make cgroup {}", below.display()))?;
        write(&below.join("cgroup.procs"), "0")
    }

    /// Sets the most processes and threads that it may have. Those that exist stay.
    ///
    /// # Errors
    ///
    /// The kernel refuses the limit.
    pub fn set_pids_max(&self, most: u64) -> Result<()> {
        write(&self.0.join("pids.max"), &most.to_string())
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

fn every_controller(root: &Path) -> Result<String> {
    let file = root.join("cgroup.controllers");
    let known = fs::read_to_string(&file).context(|| format!("read {}", file.display()))?;
    let all: Vec<_> = known.split_whitespace().map(|name| format!("+{name}")).collect();
    Ok(all.join(" "))
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
            let refused = Cgroup::of(id).expect_err("not plain").to_string();
            assert!(refused.contains("want 1 to 64 of"), "{id:?}: {refused}");
        }
        assert_eq!(Cgroup::of("b_1-X").expect("plain").path(), Path::new("/sys/fs/cgroup/box-b_1-X"));
    }
}
