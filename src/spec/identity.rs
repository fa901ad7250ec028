//! Which process a box is. The shim writes it into the lock file that it holds; the runtime compares it with `/proc`,
//! so that a pid that was given to somebody else is never taken for the box.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A shim: its pid, and when the kernel started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ShimIdentity {
    /// Its process.
    pub pid: u32,
    /// Clock ticks between the boot of the host and its start (proc(5), `starttime`).
    pub start_time: u64,
}

impl ShimIdentity {
    /// The identity of process `pid`, by the contents of its `/proc/PID/stat`.
    pub fn from_stat(pid: u32, stat: &str) -> Option<Self> {
        // The command's name, field 2, may hold anything; fields are counted from the bracket that closes it.
        let (_, fields) = stat.rsplit_once(") ")?;
        let start_time = fields.split(' ').nth(22 - 3)?.parse().ok()?;
        Some(Self { pid, start_time })
    }
}

/// As in the lock file: `PID STARTTIME`.
impl fmt::Display for ShimIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, self.start_time)
    }
}

impl FromStr for ShimIdentity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // Without its newline the line may still be growing.
        let (pid, start_time) = text.strip_suffix('\n').and_then(|line| line.split_once(' ')).ok_or(())?;
        Ok(Self { pid: pid.parse().map_err(drop)?, start_time: start_time.parse().map_err(drop)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_the_file() {
        let identity = ShimIdentity { pid: 7, start_time: 123_456 };
        assert_eq!(format!("{identity}\n").parse(), Ok(identity));
        for torn in ["", "7", "7 ", "7 123", "7 x\n", "7 1 2\n"] {
            assert_eq!(torn.parse::<ShimIdentity>(), Err(()), "{torn:?}");
        }
    }

    #[test]
    fn the_start_is_found_behind_any_name() {
        let stat = "7 (a ) R) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 2 1 18446744073709551615";
        assert_eq!(ShimIdentity::from_stat(7, stat), Some(ShimIdentity { pid: 7, start_time: 4711 }));
        assert_eq!(ShimIdentity::from_stat(7, "7 (x) S 1"), None);
    }
}
