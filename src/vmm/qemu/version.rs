//! QEMU's version, as `-version` prints it. Called by `probe` and `accelerator`.

use std::fmt;

/// Major and minor number. Nothing here depends on the patch number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32, u32);

/// The first version with the `microvm` that we use and with `-netdev stream` (Debian 12 has it).
pub(super) const OLDEST: Version = Version(7, 2);

/// The first version whose emulated CPUs may run in parallel while the guest's kernel patches its code; see `accelerator`.
pub(super) const PATCH_SAFE: Version = Version(8, 1);

impl Version {
    /// Parses a line like `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let number = text.lines().next()?.split(" version ").nth(1)?;
        let mut parts = number.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        Some(Self(parts.next()?.ok()?, parts.next()?.ok()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_distributions_print_them() {
        for (text, expected) in [
            (
                "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright (c)",
                Some(Version(7, 2)),
            ),
            ("QEMU emulator version 10.1.0\n", Some(Version(10, 1))),
            ("QEMU emulator version 6.2.0 (Debian 1:6.2+dfsg-2ubuntu6)", Some(Version(6, 2))),
            ("QEMU emulator version 9.0.50 (v9.0.0-1-gabc)", Some(Version(9, 0))),
            ("KVM is not QEMU", None),
            ("QEMU emulator version ", None),
            ("", None),
        ] {
            assert_eq!(Version::parse(text), expected, "{text}");
        }
        assert!(Version(7, 1) < OLDEST && OLDEST <= Version(7, 2) && OLDEST < Version(10, 0));
    }
}
