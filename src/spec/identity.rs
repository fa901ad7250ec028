//! Which process runs a box. The shim writes its identity into the lock file that it holds; the runtime compares it with `/proc`, so
//! that another process with a reused pid is never mistaken for the shim.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The identity of a shim: its pid and its start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ShimIdentity {
    /// Its process id.
    pub pid: u32,
    /// Clock ticks from the boot of the host to the start of the process (proc(5), `starttime`).
    pub start_time: u64,
}

impl ShimIdentity {
    /// Reads the identity of process `pid` from `stat`, the contents of its `/proc/PID/stat`. Returns `None` if they are malformed.
    pub fn from_stat(pid: u32, stat: &str) -> Option<Self> {
        // The command's name, field 2, may contain anything, so fields are counted from its closing bracket.
        let (_, fields) = stat.rsplit_once(") ")?;
        let start_time = fields.split(' ').nth(22 - 3)?.parse().ok()?;
        Some(Self { pid, start_time })
    }
}

/// Formats as in the lock file: `PID STARTTIME`.
impl fmt::Display for ShimIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, self.start_time)
    }
}

impl FromStr for ShimIdentity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // Without its newline, the line may not be complete.
        let (pid, start_time) = text.strip_suffix('\n').and_then(|line| line.split_once(' ')).ok_or(())?;
        Ok(Self { pid: pid.parse().map_err(drop)?, start_time: start_time.parse().map_err(drop)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_restored_from_the_file() {
        let identity = ShimIdentity { pid: 7, start_time: 123_456 };
        assert_eq!(format!("{identity}\n").parse(), Ok(identity));
        for torn in ["", "7", "7 ", "7 123", "7 x\n", "7 1 2\n"] {
            assert_eq!(torn.parse::<ShimIdentity>(), Err(()), "{torn:?}");
        }
    }

    #[test]
    fn the_start_time_is_found_after_any_command_name() {
        let stat = "7 (a ) R) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 2 1 18446744073709551615";
        assert_eq!(ShimIdentity::from_stat(7, stat), Some(ShimIdentity { pid: 7, start_time: 4711 }));
        assert_eq!(ShimIdentity::from_stat(7, "7 (x) S 1"), None);
    }
}
