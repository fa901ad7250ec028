//! The box's current figures, from the kernel's files. A figure that can't be read is 0.
//!
//! Called by `begin`.

use std::{fs, path::Path};

use boxlite_proto::v1::MetricsResponse;
use nix::{
    sys::{statvfs::statvfs, time::TimeSpec},
    time::{ClockId, clock_gettime},
};

use crate::storage::ROOTFS;

/// Bytes of a sector in /sys/block/*/stat, whatever the disk's own sectors are (Linux `Documentation/block/stat.rst`).
const SECTOR: u64 = 512;

/// Reads all of them. `cgroup` is the directory of the container's group.
pub(super) fn read(cgroup: Option<&Path>) -> MetricsResponse {
    let of_group = |name: &str| cgroup.map(|path| text(&path.join(name))).unwrap_or_default();
    let (cpu, memory) = (of_group("cpu.stat"), text(Path::new("/proc/meminfo")));
    let kib = |name| field(&memory, name).saturating_mul(1024);
    let (disk_read, disk_written) = disk(&text(Path::new("/sys/block/vda/stat")));
    let (disk_size, disk_used) = file_system(Path::new(ROOTFS));
    let network = network(Path::new("/sys/class/net"));
    MetricsResponse {
        cpu_usage_us: field(&cpu, "usage_usec"),
        cpu_user_us: field(&cpu, "user_usec"),
        cpu_system_us: field(&cpu, "system_usec"),
        memory_usage: number(&of_group("memory.current")),
        memory_peak: number(&of_group("memory.peak")),
        memory_total: kib("MemTotal:"),
        memory_available: kib("MemAvailable:"),
        pids: number(&of_group("pids.current")),
        executions: 0,
        oom_kills: field(&of_group("memory.events"), "oom_kill"),
        disk_size,
        disk_used,
        disk_read,
        disk_written,
        network_received: network.map(|(received, _)| received),
        network_sent: network.map(|(_, sent)| sent),
        uptime_ns: uptime_ns(),
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or(0)
}

/// The number behind `name` at the start of a line.
fn field(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().map(str::split_ascii_whitespace);
    let found = lines.find_map(|mut words| (words.next() == Some(name)).then(|| words.next()).flatten());
    found.map_or(0, number)
}

/// Bytes read and written, from a disk's stat file.
fn disk(stat: &str) -> (u64, u64) {
    let sectors = |index| stat.split_ascii_whitespace().nth(index).map_or(0, number).saturating_mul(SECTOR);
    (sectors(2), sectors(6))
}

/// Size of a file system and bytes in use, as in df(1).
fn file_system(path: &Path) -> (u64, u64) {
    let Ok(found) = statvfs(path) else { return (0, 0) };
    let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
    (bytes(found.blocks()), bytes(found.blocks().saturating_sub(found.blocks_free())))
}

/// Bytes received and sent over the interfaces that have a device, or `None` if there is no such interface. The kernel makes
/// others of its own (`lo`, `sit0`), as may the box.
fn network(class: &Path) -> Option<(u64, u64)> {
    let interfaces = fs::read_dir(class).ok()?.flatten().filter(|entry| entry.path().join("device").exists());
    let bytes = interfaces.map(|entry| {
        let count = |name: &str| number(&text(&entry.path().join("statistics").join(name)));
        (count("rx_bytes"), count("tx_bytes"))
    });
    bytes.reduce(|sum, one| (sum.0.saturating_add(one.0), sum.1.saturating_add(one.1)))
}

/// Nanoseconds since the kernel's start, sleep included.
pub(crate) fn uptime_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap_or(TimeSpec::new(0, 0));
    now.tv_sec().unsigned_abs() * 1_000_000_000 + now.tv_nsec().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_formats_are_read() {
        assert_eq!(field("usage_usec 12\nuser_usec 7\n", "user_usec"), 7);
        assert_eq!(field("MemTotal:        507260 kB\n", "MemTotal:"), 507_260);
        assert_eq!(field("", "x"), 0);
        assert_eq!(disk("  10 0 4 3 20 0 8 5 0 1 2 0 0 0 0 0 0"), (2048, 4096));
        assert_eq!(disk(""), (0, 0));
    }

    #[test]
    fn an_interface_without_a_device_is_no_network() {
        let folder = tempfile::tempdir().expect("a folder");
        let interface = |name: &str| {
            let statistics = folder.path().join(name).join("statistics");
            fs::create_dir_all(&statistics).expect("made");
            fs::write(statistics.join("rx_bytes"), "5\n").expect("written");
            fs::write(statistics.join("tx_bytes"), "7\n").expect("written");
        };
        let device = |name: &str| fs::create_dir(folder.path().join(name).join("device")).expect("made");
        interface("lo");
        interface("sit0");
        assert_eq!(network(folder.path()), None);
        for name in ["eth0", "eth1"] {
            interface(name);
            device(name);
        }
        assert_eq!(network(folder.path()), Some((10, 14)));
    }

    #[test]
    fn this_machine_has_figures() {
        let figures = read(None);
        assert!(figures.memory_total > figures.memory_available && figures.uptime_ns > 0);
    }
}
