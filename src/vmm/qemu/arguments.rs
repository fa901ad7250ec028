//! QEMU's command line, which describes the machine. Called by `engine`.

use std::{ffi::OsString, os::fd::RawFd};

use boxlite_spec::{DiskFormat, DiskSpec, InstanceSpec};
use boxlite_wire::port::SERIAL_NAME;
use serde_json::json;

use super::{accelerator::Accelerator, cmdline::guest_cmdline};
use crate::path::from_here;

/// Descriptors that QEMU inherits.
pub(super) struct Inherited {
    /// QEMU's end of the serial port, a stream socket.
    pub(super) serial: RawFd,
    /// QEMU's end of the console's pipe.
    pub(super) console: RawFd,
    /// QEMU's end of the network's link, a stream socket, and the hardware address of the device.
    pub(super) link: Option<(RawFd, [u8; 6])>,
}

/// Returns all arguments, without the program.
pub(super) fn arguments(
    spec: &InstanceSpec,
    accelerator: Accelerator,
    tsc_khz: Option<u64>,
    inherited: &Inherited,
) -> Vec<OsString> {
    // There is nothing but what is named here: no configuration file, no default device, no monitor, no window. A reset of the guest
    // ends QEMU.
    let mut list: Vec<OsString> = ["-no-user-config", "-nodefaults", "-no-reboot"].map(OsString::from).into();
    list.extend(machine(spec, accelerator));
    list.extend(boot(spec, tsc_khz));
    list.extend(console(inherited));
    list.extend(spec.disks.iter().enumerate().flat_map(|(index, disk)| block_device(index, disk)));
    list.extend(portal(inherited));
    list.extend(inherited.link.into_iter().flat_map(|(link, mac)| network_device(link, mac)));
    list
}

fn machine(spec: &InstanceSpec, accelerator: Accelerator) -> Vec<OsString> {
    options(&[
        ("-name", &format!("boxlite-{}", spec.box_id)),
        ("-display", "none"),
        ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
        // Under emulation, the kernel calibrates its clock against PIT and PIC.
        ("-machine", "microvm,acpi=off,x-option-roms=off,isa-serial=on,pit=on,pic=on"),
        ("-cpu", accelerator.processor()),
        ("-smp", &spec.cpus.to_string()),
        ("-m", &format!("{}M", spec.memory_mib)),
        ("-accel", &accelerator.argument()),
    ])
}

fn boot(spec: &InstanceSpec, tsc_khz: Option<u64>) -> Vec<OsString> {
    let mut list = vec!["-kernel".into(), spec.kernel.clone().into_os_string()];
    list.extend(["-initrd".into(), spec.initramfs.clone().into_os_string()]);
    list.extend(options(&[
        ("-append", &guest_cmdline(tsc_khz)),
        ("-device", "virtio-rng-device"),
        // Pages that the guest frees are returned to the host.
        ("-device", "virtio-balloon-device,free-page-reporting=on"),
    ]));
    list
}

/// `append=on`, since QEMU would otherwise truncate, which fails for a pipe.
fn console(inherited: &Inherited) -> Vec<OsString> {
    options(&[
        ("-add-fd", &format!("fd={},set=1", inherited.console)),
        ("-chardev", "file,id=console,path=/dev/fdset/1,append=on"),
        ("-serial", "chardev:console"),
    ])
}

/// The guest's writes reach the host's page cache, and its flushes reach the host's storage; discarded blocks are removed from the
/// file. If the host can't write, for example because its disk is full, the guest gets the error, as under libkrun. QEMU's default is
/// to pause the machine, which would look like a hang.
fn block_device(index: usize, disk: &DiskSpec) -> Vec<OsString> {
    let file = json!({
        "driver": "file",
        "filename": from_here(&disk.path).to_string_lossy(),
        "aio": "threads",
        "discard": "unmap",
        "read-only": disk.read_only,
        "cache": { "direct": false, "no-flush": false },
    });
    let node = json!({
        "driver": match disk.format { DiskFormat::Raw => "raw", DiskFormat::Qcow2 => "qcow2" },
        "node-name": format!("disk{index}"),
        "discard": "unmap",
        "read-only": disk.read_only,
        "file": file,
    });
    let device =
        format!("virtio-blk-device,drive=disk{index},serial={},werror=report,rerror=report", disk.id);
    options(&[("-blockdev", &node.to_string()), ("-device", &device)])
}

fn portal(inherited: &Inherited) -> Vec<OsString> {
    options(&[
        ("-device", "virtio-serial-device,max_ports=2"),
        ("-chardev", &format!("socket,id=portal,fd={}", inherited.serial)),
        ("-device", &format!("virtserialport,chardev=portal,name={SERIAL_NAME}")),
    ])
}

/// A stream of frames, each with its length before it (net/stream.c). It has no room for what the virtio header says, so that the guest
/// neither leaves checksums and segmentation to it nor gets frames without them.
fn network_device(link: RawFd, mac: [u8; 6]) -> Vec<OsString> {
    let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
    options(&[
        ("-netdev", &format!("stream,id=net,addr.type=fd,addr.str={link}")),
        ("-device", &format!("virtio-net-device,netdev=net,mac={mac}")),
    ])
}

/// Options that have a value, each followed by that.
fn options(list: &[(&str, &str)]) -> Vec<OsString> {
    list.iter().flat_map(|(option, value)| [option.into(), value.into()]).collect()
}

#[cfg(test)]
mod tests {
    use std::{os::unix::ffi::OsStrExt, path::Path};

    use super::*;
    use crate::spec_check::tests::spec;

    #[test]
    fn the_whole_list_is_reviewed_here() {
        let folder = tempfile::tempdir().unwrap();
        let emulation = Accelerator::ThreadForEachCpu;
        let inherited = Inherited { serial: 5, console: 6, link: Some((7, [2, 0, 0, 0x1a, 0, 1])) };
        let list = arguments(&spec(folder.path()), emulation, None, &inherited);
        let list: Vec<_> = list.iter().map(|word| word.to_str().unwrap()).collect();
        let list = list.join("\n").replace(&folder.path().display().to_string(), "DIR");
        assert_eq!(
            list.lines().collect::<Vec<_>>(),
            [
                "-no-user-config",
                "-nodefaults",
                "-no-reboot",
                "-name",
                "boxlite-b1",
                "-display",
                "none",
                "-sandbox",
                "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
                "-machine",
                "microvm,acpi=off,x-option-roms=off,isa-serial=on,pit=on,pic=on",
                "-cpu",
                "max,erms=off,fsrm=off",
                "-smp",
                "2",
                "-m",
                "512M",
                "-accel",
                "tcg,thread=multi,tb-size=128",
                "-kernel",
                "DIR/vmlinux",
                "-initrd",
                "DIR/initramfs.cpio",
                "-append",
                &guest_cmdline(None),
                "-device",
                "virtio-rng-device",
                "-device",
                "virtio-balloon-device,free-page-reporting=on",
                "-add-fd",
                "fd=6,set=1",
                "-chardev",
                "file,id=console,path=/dev/fdset/1,append=on",
                "-serial",
                "chardev:console",
                "-blockdev",
                r#"{"discard":"unmap","driver":"qcow2","file":{"aio":"threads","cache":{"direct":false,"no-flush":false},"discard":"unmap","driver":"file","filename":"DIR/disk.qcow2","read-only":false},"node-name":"disk0","read-only":false}"#,
                "-device",
                "virtio-blk-device,drive=disk0,serial=root,werror=report,rerror=report",
                "-device",
                "virtio-serial-device,max_ports=2",
                "-chardev",
                "socket,id=portal,fd=5",
                "-device",
                "virtserialport,chardev=portal,name=boxlite.portal",
                "-netdev",
                "stream,id=net,addr.type=fd,addr.str=7",
                "-device",
                "virtio-net-device,netdev=net,mac=02:00:00:1a:00:01",
            ]
        );
    }

    #[test]
    fn a_path_is_never_read_as_an_option() {
        let folder = tempfile::tempdir().unwrap();
        let mut spec = spec(folder.path());
        spec.disks[0].path = Path::new("/x,driver=nbd/\"quoted\"").into();
        let list = arguments(&spec, Accelerator::Kvm, None, &Inherited { serial: 5, console: 6, link: None });
        let node =
            list.iter().find_map(|argument| argument.to_str().filter(|text| text.starts_with('{'))).unwrap();
        assert!(list.windows(2).any(|pair| pair == ["-accel", "kvm"]));
        let node: serde_json::Value = serde_json::from_str(node).unwrap();
        assert_eq!(node["file"]["filename"], "/x,driver=nbd/\"quoted\"");
    }

    #[test]
    fn boot_files_may_have_any_name_and_disks_any_folder() {
        let odd = |name: &[u8]| std::path::PathBuf::from(std::ffi::OsStr::from_bytes(name));
        let folder = tempfile::tempdir().unwrap();
        let mut spec = spec(folder.path());
        spec.kernel = odd(b"/p\xff/vmlinux");
        spec.disks[0].path = std::env::current_dir().unwrap().join("disk.qcow2");
        let list = arguments(&spec, Accelerator::Kvm, None, &Inherited { serial: 5, console: 6, link: None });
        assert!(list.contains(&spec.kernel.clone().into_os_string()));
        let node =
            list.iter().find_map(|argument| argument.to_str().filter(|text| text.starts_with('{'))).unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(node).unwrap()["file"]["filename"],
            "disk.qcow2"
        );
    }
}
