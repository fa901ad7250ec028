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
        let mut parsed = Self {
            flags: MsFlags::empty(),
            bind: MsFlags::empty(),
            propagation: Vec::new(),
            data: String::new(),
        };
        for option in options {
            parsed.take(option);
        }
        parsed
    }

    fn take(&mut self, option: &str) {
        if let Some((set, flag)) = flag(option) {
            self.flags.set(flag, set);
        } else if let Some(bind) = bind(option) {
            self.bind |= bind;
        } else if let Some(kind) = propagation(option) {
            self.propagation.push(kind);
        } else if option != "defaults" && !option.is_empty() {
            if !self.data.is_empty() {
                self.data.push(',');
            }
            self.data.push_str(option);
        }
    }
}

/// The mount flags by name, and whether the name sets or clears them (mount(8), "filesystem-independent options").
fn flag(option: &str) -> Option<(bool, MsFlags)> {
    Some(match option {
        "ro" => (true, MsFlags::MS_RDONLY),
        "rw" => (false, MsFlags::MS_RDONLY),
        "nosuid" => (true, MsFlags::MS_NOSUID),
        "suid" => (false, MsFlags::MS_NOSUID),
        "nodev" => (true, MsFlags::MS_NODEV),
        "dev" => (false, MsFlags::MS_NODEV),
        "noexec" => (true, MsFlags::MS_NOEXEC),
        "exec" => (false, MsFlags::MS_NOEXEC),
        "sync" => (true, MsFlags::MS_SYNCHRONOUS),
        "async" => (false, MsFlags::MS_SYNCHRONOUS),
        "dirsync" => (true, MsFlags::MS_DIRSYNC),
        "mand" => (true, MsFlags::MS_MANDLOCK),
        "nomand" => (false, MsFlags::MS_MANDLOCK),
        "noatime" => (true, MsFlags::MS_NOATIME),
        "atime" => (false, MsFlags::MS_NOATIME),
        "nodiratime" => (true, MsFlags::MS_NODIRATIME),
        "diratime" => (false, MsFlags::MS_NODIRATIME),
        "relatime" => (true, MsFlags::MS_RELATIME),
        "norelatime" => (false, MsFlags::MS_RELATIME),
        "strictatime" => (true, MsFlags::MS_STRICTATIME),
        "nostrictatime" => (false, MsFlags::MS_STRICTATIME),
        "silent" => (true, MsFlags::MS_SILENT),
        "loud" => (false, MsFlags::MS_SILENT),
        _ => return None,
    })
}

fn bind(option: &str) -> Option<MsFlags> {
    match option {
        "bind" => Some(MsFlags::MS_BIND),
        "rbind" => Some(MsFlags::MS_BIND | MsFlags::MS_REC),
        _ => None,
    }
}

fn propagation(option: &str) -> Option<MsFlags> {
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
