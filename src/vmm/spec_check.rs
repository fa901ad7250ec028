//! Checks a spec before an engine gets it: numbers must be in range, boot files and disks must open. An engine reports such faults
//! as a bare errno at best. Called by both engines' `create`.

use std::{fmt::Display, fs::OpenOptions, path::Path};

use boxlite_spec::{InstanceSpec, ShimExit};

use crate::error::{Context, Error, Result};

/// The least memory of a machine: room for the kernel, the unpacked initramfs and the guest agent.
const MEMORY_MIN_MIB: u32 = 64;

/// The length of a virtio-blk device's serial, in bytes (virtio 1.2, 5.2.6.1, `VIRTIO_BLK_T_GET_ID`).
const DISK_ID_LIMIT: usize = 20;

/// Fails with the exit status of the first fault of `spec`. The engine supports at most `disks_max` disks.
pub(crate) fn check(spec: &InstanceSpec, disks_max: usize) -> Result<()> {
    require(spec.cpus > 0, "cpus must be at least 1", &spec.cpus)?;
    let memory = format!("memory_mib must be at least {MEMORY_MIN_MIB}");
    require(spec.memory_mib >= MEMORY_MIN_MIB, &memory, &spec.memory_mib)?;
    require(is_plain(&spec.box_id), "box_id must be plain characters", &spec.box_id)?;
    let count = format!("{} supports {disks_max} disks", spec.engine);
    require(spec.disks.len() <= disks_max, &count, &spec.disks.len())?;
    let id = format!("disk id must be 1 to {DISK_ID_LIMIT} plain characters");
    for disk in &spec.disks {
        require(disk.id.len() <= DISK_ID_LIMIT && is_plain(&disk.id), &id, &disk.id)?;
    }
    open(&spec.kernel, false).context(ShimExit::BootFile, "open kernel", spec.kernel.display())?;
    open(&spec.initramfs, false).context(ShimExit::BootFile, "open initramfs", spec.initramfs.display())?;
    for disk in &spec.disks {
        open(&disk.path, !disk.read_only).context(ShimExit::Disk, "open disk", disk.path.display())?;
    }
    Ok(())
}

/// Fails with `rule` and the `value` that breaks it, unless it is `met`.
fn require(met: bool, rule: &str, value: &dyn Display) -> Result<()> {
    if met { Ok(()) } else { Err(Error::new(ShimExit::BadSpec, format!("check spec: {rule}: {value}"))) }
}

/// Whether `name` can be used in an engine's option list and in a process's name.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn open(path: &Path, write: bool) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).write(write).open(path)?;
    if file.metadata()?.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use boxlite_spec::{DiskFormat, DiskSpec, SPEC_VERSION, TransportSpec, VmmKind};

    use super::*;

    /// A spec whose files all exist, in `folder`.
    pub(crate) fn spec(folder: &Path) -> InstanceSpec {
        for name in ["vmlinux", "initramfs.cpio", "disk.qcow2"] {
            fs::write(folder.join(name), "").unwrap();
        }
        InstanceSpec {
            version: SPEC_VERSION,
            box_id: "b1".into(),
            engine: VmmKind::Qemu,
            cpus: 2,
            memory_mib: 512,
            kernel: folder.join("vmlinux"),
            initramfs: folder.join("initramfs.cpio"),
            disks: vec![DiskSpec {
                id: "root".into(),
                path: folder.join("disk.qcow2"),
                format: DiskFormat::Qcow2,
                read_only: false,
            }],
            transport: TransportSpec {
                portal: folder.join("portal"),
                ready: folder.join("ready"),
                clock: None,
                dial: None,
            },
            console: folder.join("console.log"),
            lock: folder.join("lock"),
            attached: true,
            journal: None,
            network: None,
            publish: Vec::new(),
            control: None,
            counters: None,
            deadline_ms: 0,
            qemu: None,
        }
    }

    type Fault = (ShimExit, fn(&mut InstanceSpec));

    #[test]
    fn each_fault_has_its_exit_status() {
        let folder = tempfile::tempdir().unwrap();
        let good = spec(folder.path());
        check(&good, 1).unwrap();
        let faults: [Fault; 9] = [
            (ShimExit::BadSpec, |spec| spec.cpus = 0),
            (ShimExit::BadSpec, |spec| spec.memory_mib = 8),
            (ShimExit::BadSpec, |spec| spec.box_id = "b1,process=init".into()),
            (ShimExit::BadSpec, |spec| spec.disks[0].id = "a,readonly=off".into()),
            (ShimExit::BadSpec, |spec| spec.disks.push(spec.disks[0].clone())),
            (ShimExit::BadSpec, |spec| spec.disks[0].id = "x".repeat(21)),
            (ShimExit::BootFile, |spec| spec.kernel = "/nonexistent/vmlinux".into()),
            (ShimExit::BootFile, |spec| spec.initramfs = "/".into()),
            (ShimExit::Disk, |spec| spec.disks[0].path = "/nonexistent/disk".into()),
        ];
        for (exit, break_it) in faults {
            let mut bad = good.clone();
            break_it(&mut bad);
            assert_eq!(check(&bad, 1).unwrap_err().kind(), exit);
        }
    }
}
