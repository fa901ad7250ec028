//! `Privileges`: what the processes of a box may do more or less than by default. Part of `BoxOptions`, stored in `config.json`;
//! `container_spec` reads it.
//!
//! The micro-VM is what keeps a box from its host, so nothing here opens anything of the host: it is about the box's own kernel.

use std::collections::BTreeMap;

use boxlite_error::{BoxliteResult, shorten::shortened};
use boxlite_proto::v1::Sysctl;
use boxlite_wire::capability;
use serde::{Deserialize, Serialize};

use crate::options::bound::{SHOWN, require};

/// The name of all capabilities, as in docker.
const ALL: &str = "ALL";

/// Most entries of each list.
const MOST: usize = 64;
/// Longest name of a kernel parameter or a device, in bytes.
const LONGEST_NAME: usize = 255;
/// Longest value of a kernel parameter, in bytes: what the kernel takes in one write (`proc_sys_call_handler`).
const LONGEST_SYSCTL: usize = 4095;

/// Docker's default capabilities (moby, oci/caps/defaults.go).
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// What the processes of a box may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Privileges {
    /// Every capability, every device, nothing masked or read-only.
    pub privileged: bool,
    /// Capabilities over docker's default ones, by name, or `ALL`.
    pub cap_add: Vec<String>,
    /// Capabilities of docker's default ones, or of all, that are left out, by name, or `ALL`.
    pub cap_drop: Vec<String>,
    /// Parameters of the box's kernel, such as `net.ipv4.ip_forward`.
    pub sysctls: BTreeMap<String, String>,
    /// Devices of the machine beside docker's default ones, such as `/dev/fuse`.
    pub devices: Vec<String>,
}

impl Privileges {
    pub(crate) fn check(&self) -> BoxliteResult<()> {
        let capability: Kind = (
            |name| is_all(name) || capability::number(name).is_some(),
            "no capability of Linux",
            "names are those of capabilities(7), with or without `CAP_`, or `ALL`",
        );
        let device: Kind = (
            is_device,
            "no path of a device",
            "give paths such as `/dev/fuse`, `/dev/net/tun` or `/dev/loop-control`",
        );
        let parameter: Kind = (
            is_sysctl,
            "no name of a kernel parameter",
            "names are paths below /proc/sys with dots, such as `net.ipv4.ip_forward`",
        );
        for (option, list, kind) in [
            ("cap_add", &self.cap_add, capability),
            ("cap_drop", &self.cap_drop, capability),
            ("devices", &self.devices, device),
        ] {
            let why = || "a box with `privileged: true` has every capability and device";
            require(!self.privileged || list.is_empty(), option, why)
                .map_err(|error| error.hint("leave one of the two out"))?;
            check_names(option, list.iter(), kind)?;
        }
        check_names("sysctls", self.sysctls.keys(), parameter)?;
        self.sysctls.iter().try_for_each(|(name, value)| {
            let good = (1..=LONGEST_SYSCTL).contains(&value.len()) && !value.contains(['\0', '\n']);
            require(good, "sysctls", || {
                let value = shortened(value, SHOWN);
                format!("`{name}`: expected one line of 1 to {LONGEST_SYSCTL} bytes, got {value:?}")
            })
        })
    }

    /// The capabilities of the container, as docker computes them (moby, oci/caps: `TweakCapabilities`).
    pub(crate) fn capabilities(&self) -> Vec<String> {
        let all = |list: &[String]| list.iter().any(|entry| is_all(entry));
        let named =
            |list: &[String], number| list.iter().any(|entry| capability::number(entry) == Some(number));
        let (all_added, all_dropped) = (all(&self.cap_add), all(&self.cap_drop));
        let has = |number, name| {
            let default = !all_dropped && DEFAULT_CAPABILITIES.contains(name);
            let added = !all_added && named(&self.cap_add, number);
            self.privileged || added || (all_added || default) && !named(&self.cap_drop, number)
        };
        let numbered = capability::NAMES.iter().enumerate();
        numbered.filter(|(number, name)| has(*number, name)).map(|(_, name)| format!("CAP_{name}")).collect()
    }

    /// The kernel parameters as the guest takes them.
    pub(crate) fn sysctls(&self) -> impl Iterator<Item = Sysctl> {
        self.sysctls.iter().map(|(name, value)| Sysctl { name: name.replace('.', "/"), value: value.clone() })
    }
}

/// What the names in a list have in common: how to tell a good one, what another one is, and a hint.
type Kind = (fn(&str) -> bool, &'static str, &'static str);

fn check_names<'a>(
    option: &'static str,
    names: impl ExactSizeIterator<Item = &'a String>,
    (is_good, what, hint): Kind,
) -> BoxliteResult<()> {
    let count = names.len();
    require(count <= MOST, option, || format!("{count} entries; {MOST} at most"))?;
    for name in names {
        let why = || format!("{what}: {:?}", shortened(name, SHOWN));
        require(is_good(name), option, why).map_err(|error| error.hint(hint))?;
    }
    Ok(())
}

fn is_all(name: &str) -> bool {
    name.eq_ignore_ascii_case(ALL)
}

/// Parts of letters, digits, `_` and `-`, with dots or slashes between them; two at least.
fn is_sysctl(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    name.len() <= LONGEST_NAME && name.contains(['.', '/']) && name.split(['.', '/']).all(part)
}

/// A path below /dev without tricks.
fn is_device(path: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    path.len() <= LONGEST_NAME && path.strip_prefix("/dev/").is_some_and(|rest| rest.split('/').all(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(add: &[&str], drop: &[&str]) -> Privileges {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        Privileges { cap_add: owned(add), cap_drop: owned(drop), ..Default::default() }
    }

    fn count(add: &[&str], drop: &[&str]) -> usize {
        with(add, drop).capabilities().len()
    }

    #[test]
    fn capabilities_are_reckoned_as_docker_does() {
        assert_eq!(count(&[], &[]), 14);
        assert_eq!(count(&["SYS_ADMIN", "cap_sys_ptrace", "CHOWN"], &[]), 16);
        assert_eq!(count(&[], &["CHOWN", "CAP_MKNOD", "SYS_ADMIN"]), 12);
        assert_eq!(count(&[], &["all"]), 0);
        assert_eq!(with(&["chown"], &["ALL"]).capabilities(), ["CAP_CHOWN"]);
        assert_eq!(count(&["ALL"], &[]), 41);
        assert_eq!(count(&["ALL"], &["SYS_ADMIN"]), 40);
        assert_eq!(count(&["MKNOD"], &["MKNOD"]), 14, "what is added is added last");
        assert_eq!(Privileges { privileged: true, ..Default::default() }.capabilities().len(), 41);
    }

    #[test]
    fn what_is_no_capability_device_or_parameter_is_refused_by_name() {
        let refused = |privileges: Privileges| privileges.check().expect_err("refused").to_string();
        assert!(refused(with(&["FLY"], &[])).contains("cap_add`: no capability of Linux: \"FLY\""));
        for device in ["fuse", "/dev/", "/dev/../etc", "/dev//fuse", "/dev/a\0", "/etc/passwd"] {
            let devices = vec![device.to_owned()];
            assert!(refused(Privileges { devices, ..Default::default() }).contains("`devices`"), "{device}");
        }
        for name in ["", "kernel", "net..x", "../x", "net.ipv4.", "net ipv4.x", "a/../b"] {
            let sysctls = BTreeMap::from([(name.to_owned(), "1".to_owned())]);
            assert!(refused(Privileges { sysctls, ..Default::default() }).contains("`sysctls`"), "{name:?}");
        }
        for value in ["", "a\nb", "a\0", &"x".repeat(4096)] {
            let sysctls = BTreeMap::from([("a.b".to_owned(), value.to_owned())]);
            assert!(refused(Privileges { sysctls, ..Default::default() }).contains("one line"));
        }
        assert!(refused(with(&["KILL"; 65], &[])).contains("65 entries; 64 at most"));
        let both = Privileges { privileged: true, ..with(&["KILL"], &[]) };
        assert!(refused(both).contains("`privileged: true`"));
    }

    #[test]
    fn names_of_parameters_become_paths() {
        let sysctls = [("net.ipv4.ip_forward", "1"), ("net/ipv4/conf/eth0-1/forwarding", "0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let privileges = Privileges { sysctls: sysctls.into(), ..Default::default() };
        privileges.check().expect("good names");
        let names: Vec<_> = privileges.sysctls().map(|sysctl| sysctl.name).collect();
        assert_eq!(names, ["net/ipv4/ip_forward", "net/ipv4/conf/eth0-1/forwarding"]);
    }
}
