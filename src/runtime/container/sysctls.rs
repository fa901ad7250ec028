//! Parameters of a box's kernel: docker's defaults for containers, and limits of the kernel that a small machine would set too
//! low for development, bounded by the box's memory. What the box's options set comes last.
//!
//! Called by `container_spec`; the guest writes them before anything of the container runs.

use boxlite_proto::v1::Sysctl;

/// Threads that the machine may have beside those of the container: the kernel's own and the agent's.
const BESIDE: u32 = 2048;

/// Kernel parameters of a box that has `memory_mib` and may have `pids` processes.
pub(crate) fn defaults(memory_mib: u32, pids: u32) -> Vec<Sysctl> {
    let kib = memory_mib.saturating_mul(1024);
    [
        // Docker's for containers with a network of their own (moby, daemon/oci_linux.go: `WithSysctls`): any port is free to
        // bind, and anybody may ping.
        ("net/ipv4/ip_unprivileged_port_start", "0".to_owned()),
        ("net/ipv4/ping_group_range", "0 2147483647".to_owned()),
        // A watch takes 1 KiB and holds as much for the file's inode.
        ("fs/inotify/max_user_watches", (kib / 4).clamp(8192, 524_288).to_string()),
        ("fs/inotify/max_user_instances", "1024".to_owned()),
        // As systemd does: files are bounded by memory.
        ("fs/file-max", i64::MAX.to_string()),
        // Databases and search engines need more mappings than the kernel's 65 530.
        ("vm/max_map_count", "262144".to_owned()),
        // The kernel's own figure, an eighth of memory, would be less than what the container is allowed.
        ("kernel/threads-max", (pids + BESIDE).to_string()),
    ]
    .map(|(name, value)| Sysctl { name: name.to_owned(), value })
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(memory_mib: u32, name: &str) -> String {
        let found = defaults(memory_mib, 30_000).into_iter().find(|sysctl| sysctl.name == name);
        found.expect("a default").value
    }

    #[test]
    fn watches_are_bounded_by_memory() {
        let watches = |memory| value(memory, "fs/inotify/max_user_watches");
        assert_eq!([128, 512, 2048, 1 << 20].map(watches), ["32768", "131072", "524288", "524288"]);
    }

    #[test]
    fn the_machine_has_more_threads_than_the_container_may_have() {
        assert_eq!(value(512, "kernel/threads-max"), "32048");
    }
}
