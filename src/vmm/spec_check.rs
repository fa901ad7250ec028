//! Checks a spec before an engine gets it: numbers must be in range, boot files and disks must open. An engine reports such faults
//! as a bare errno at best. Called by both engines' `create`.

use std::{fs::OpenOptions, path::Path};

use boxlite_spec::{InstanceSpec, ShimExit};

use crate::error::{Context, Error, Result};

/// The least memory of a machine: room for the kernel, the unpacked initramfs and the guest agent.
const MEMORY_MIN_MIB: u32 = 64;

/// The length of a virtio-blk device's serial, in bytes (virtio 1.2, 5.2.6.1, `VIRTIO_BLK_T_GET_ID`).
const DISK_ID_LIMIT: usize = 20;

/// Fails with the exit status of the first fault of `spec`. The engine supports at most `disks_max` disks.
pub(crate) fn check(spec: &InstanceSpec, disks_max: usize) -> Result<()> {
    let bad = |what: String| Err(Error::new(ShimExit::BadSpec, what));
    if spec.cpus == 0 {
        return bad("check spec: cpus must be at least 1".into());
    }
    if spec.memory_mib < MEMORY_MIN_MIB {
        return bad(format!("check spec: memory_mib must be at least {MEMORY_MIN_MIB}: {}", spec.memory_mib));
    }
    if !is_plain(&spec.box_id) {
        return bad(format!("check spec: box_id must be plain characters: {}", spec.box_id));
    }
    if spec.disks.len() > disks_max {
        let what = format!("check spec: {} supports {disks_max} disks: {}", spec.engine, spec.disks.len());
        return bad(what);
    }
    for disk in &spec.disks {
        if disk.id.len() > DISK_ID_LIMIT || !is_plain(&disk.id) {
            return bad(format!(
                "check spec: disk id must be 1 to {DISK_ID_LIMIT} plain characters: {}",
                disk.id
            ));
        }
    }
    open(&spec.kernel, false).context(ShimExit::BootFile, "open kernel", spec.kernel.display())?;
    open(&spec.initramfs, false).context(ShimExit::BootFile, "open initramfs", spec.initramfs.display())?;
    for disk in &spec.disks {
        open(&disk.path, !disk.read_only).context(ShimExit::Disk, "open disk", disk.path.display())?;
    }
    Ok(())
}

/// Whether `name` can stand in an engine's option list and in a process's name.
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
            },
            console: folder.join("console.log"),
            lock: folder.join("lock"),
            attached: true,
            journal: None,
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
