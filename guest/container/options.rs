//! mount(8) options, as OCI mounts carry them, parsed into the arguments of mount(2).
//!
//! Called by `mounts`. Pure.

use nix::mount::MsFlags;

/// The options of one mount, sorted by the system call that applies them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    /// Flags of the mount itself, or of the remount that follows a bind mount.
    pub(super) flags: MsFlags,
    /// `MS_BIND`, perhaps with `MS_REC`. Empty if this is no bind mount.
    pub(super) bind: MsFlags,
    /// Propagation types, each of which takes a call of its own.
    pub(super) propagation: Vec<MsFlags>,
    /// The options of the file system itself, comma-separated.
    pub(super) data: String,
}

impl Options {
    pub(super) fn parse(options: &[String]) -> Self {
        let (flags, bind, propagation) = (MsFlags::empty(), MsFlags::empty(), Vec::new());
        let (mut parsed, mut data) = (Self { flags, bind, propagation, data: String::new() }, Vec::new());
        for option in options.iter().map(String::as_str) {
            if let Some((set, _, flag)) =
                FLAGS.iter().find(|(set, clear, _)| [*set, *clear].contains(&option))
            {
                parsed.flags.set(*flag, option == *set);
            } else if let Some(bind) = bind_of(option) {
                parsed.bind |= bind;
            } else if let Some(kind) = propagation_of(option) {
                parsed.propagation.push(kind);
            } else if !matches!(option, "" | "defaults") {
                data.push(option);
            }
        }
        parsed.data = data.join(",");
        parsed
    }
}

/// The names that set and that clear a mount flag (mount(8), "filesystem-independent options"). No name clears `dirsync`.
const FLAGS: [(&str, &str, MsFlags); 12] = [
    ("ro", "rw", MsFlags::MS_RDONLY),
    ("nosuid", "suid", MsFlags::MS_NOSUID),
    ("nodev", "dev", MsFlags::MS_NODEV),
    ("noexec", "exec", MsFlags::MS_NOEXEC),
    ("sync", "async", MsFlags::MS_SYNCHRONOUS),
    ("dirsync", "dirsync", MsFlags::MS_DIRSYNC),
    ("mand", "nomand", MsFlags::MS_MANDLOCK),
    ("noatime", "atime", MsFlags::MS_NOATIME),
    ("nodiratime", "diratime", MsFlags::MS_NODIRATIME),
    ("relatime", "norelatime", MsFlags::MS_RELATIME),
    ("strictatime", "nostrictatime", MsFlags::MS_STRICTATIME),
    ("silent", "loud", MsFlags::MS_SILENT),
];

fn bind_of(option: &str) -> Option<MsFlags> {
    match option {
        "bind" => Some(MsFlags::MS_BIND),
        "rbind" => Some(MsFlags::MS_BIND | MsFlags::MS_REC),
        _ => None,
    }
}

fn propagation_of(option: &str) -> Option<MsFlags> {
    let kind = match option.strip_prefix('r').unwrap_or(option) {
        "private" => MsFlags::MS_PRIVATE,
        "shared" => MsFlags::MS_SHARED,
        "slave" => MsFlags::MS_SLAVE,
        "unbindable" => MsFlags::MS_UNBINDABLE,
        _ => return None,
    };
    Some(if option.starts_with('r') { kind | MsFlags::MS_REC } else { kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[&str]) -> Options {
        Options::parse(&options.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn shm_of_docker() {
        let options = parse(&["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]);
        assert_eq!(options.flags, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV);
        assert_eq!(options.data, "mode=1777,size=65536k");
        assert!(options.bind.is_empty() && options.propagation.is_empty());
    }

    #[test]
    fn a_later_option_wins() {
        assert_eq!(parse(&["ro", "rw"]).flags, MsFlags::empty());
        assert_eq!(parse(&["exec", "noexec"]).flags, MsFlags::MS_NOEXEC);
    }

    #[test]
    fn bind_and_propagation_are_calls_of_their_own() {
        let options = parse(&["rbind", "ro", "rslave", "private"]);
        assert_eq!(options.bind, MsFlags::MS_BIND | MsFlags::MS_REC);
        assert_eq!(options.flags, MsFlags::MS_RDONLY);
        assert_eq!(options.propagation, [MsFlags::MS_SLAVE | MsFlags::MS_REC, MsFlags::MS_PRIVATE]);
        assert_eq!(options.data, "");
    }

    #[test]
    fn relatime_is_not_a_propagation() {
        assert_eq!(parse(&["relatime", "defaults", ""]).flags, MsFlags::MS_RELATIME);
    }
}
