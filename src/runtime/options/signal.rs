//! Linux's signals by name, as image configurations, options and results write them. Used by supervision, its spec, the collector
//! of executions and each face.
//!
//! The numbers are those of x86-64 and arm64 (signal(7)): what is signalled runs in a Linux box, wherever its host is.

/// Names of the signals from 1 on.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// glibc's `SIGRTMIN` and `SIGRTMAX`, by which `RTMIN+3` is meant (moby/sys, signal: `sigrtmin`).
const REALTIME: (u32, u32) = (34, 64);

/// The name of a signal, such as `SIGKILL`; of one that has none `SIG` and its number.
pub fn name(number: i32) -> String {
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let known = index.and_then(|index| NAMES.get(index));
    known.map_or_else(|| format!("SIG{number}"), |name| format!("SIG{name}"))
}

/// The number of `SIGTERM`, `term`, `15`, `SIGRTMIN+3` or `RTMAX-1`; `None` if there is no such signal.
pub fn number(name: &str) -> Option<u32> {
    let is_signal = |number: &u32| (1..=REALTIME.1).contains(number);
    if let Ok(number) = name.parse() {
        return Some(number).filter(is_signal);
    }
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let offset = |rest: &str, sign| match rest {
        "" => Some(0),
        _ => rest.strip_prefix(sign)?.parse::<u32>().ok(),
    };
    let number = if let Some(rest) = name.strip_prefix("RTMIN") {
        REALTIME.0.checked_add(offset(rest, '+')?)?
    } else if let Some(rest) = name.strip_prefix("RTMAX") {
        REALTIME.1.checked_sub(offset(rest, '-')?).filter(|number| *number >= REALTIME.0)?
    } else {
        u32::try_from(NAMES.iter().position(|known| *known == name)? + 1).ok()?
    };
    Some(number).filter(is_signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_known() {
        let of = ["SIGTERM", "term", "9", "SIGRTMIN+3", "RTMAX", "RTMAX-2", "SIGSYS"].map(number);
        assert_eq!(of, [15, 15, 9, 37, 64, 62, 31].map(Some));
    }

    #[test]
    fn each_signal_has_a_name() {
        assert_eq!([1, 9, 15, 31, 40].map(name), ["SIGHUP", "SIGKILL", "SIGTERM", "SIGSYS", "SIG40"]);
    }

    #[test]
    fn what_is_no_signal_is_none() {
        for name in
            ["", "0", "65", "-1", "SIG", "SIGNOPE", "RTMIN-1", "RTMIN+31", "RTMAX-31", "RTMIN+99999999999"]
        {
            assert_eq!(number(name), None, "{name}");
        }
    }
}
