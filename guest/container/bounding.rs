//! The bounding set of capabilities, from which every execution's own sets follow.
//!
//! Called by `init` once, for the container's init itself. The init never calls `execve`, so it keeps its own capabilities. A root
//! process that it starts gets the bounding set as its permitted and effective sets (capabilities(7), "Transformation of
//! capabilities during execve"), and any other user gets none, since setuid away from 0 clears them. Inheritable and ambient
//! sets stay empty. So an execution needs no call for its capabilities.
#![allow(unsafe_code, reason = "prctl(2) has no safe wrapper for the bounding set")]

use boxlite_wire::capability;
use nix::{errno::Errno, libc};

use crate::{Context as _, Error, Kind, Result};

/// Drops every capability that `keep` does not name from this process's bounding set.
///
/// # Errors
///
/// A name is unknown, or the kernel refuses.
pub fn drop_bounding(keep: &[String]) -> Result<()> {
    let kept = parse(keep)?;
    for number in 0..64_u32 {
        if kept & (1 << number) != 0 {
            continue;
        }
        // SAFETY: PR_CAPBSET_DROP takes a number and touches no memory of ours.
        let answer = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) };
        match Errno::result(answer) {
            Ok(_) => {}
            // The number is beyond the last capability of this kernel.
            Err(Errno::EINVAL) => break,
            failed => {
                return failed
                    .map(drop)
                    .context(|| format!("drop capability {number} from the bounding set"));
            }
        }
    }
    Ok(())
}

fn parse(names: &[String]) -> Result<u64> {
    let mut set = 0;
    for name in names {
        let number = capability::number(name)
            .ok_or_else(|| Error::new(Kind::Invalid, format!("capability {name:?}: unknown")))?;
        set |= 1 << number;
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbers_of_the_kernel() {
        let set =
            parse(&["CAP_CHOWN".into(), "SYS_ADMIN".into(), "CAP_CHECKPOINT_RESTORE".into()]).expect("known");
        assert_eq!(set, 1 | 1 << 21 | 1 << 40);
    }

    #[test]
    fn an_unknown_capability_is_refused_by_name() {
        let error = parse(&["CAP_FLY".into()]).expect_err("unknown");
        assert!(error.to_string().contains("CAP_FLY"));
    }
}
