//! `e2fsck`, which has the last word on every disk that a test makes. Shared by all test programs of this crate.

use std::{
    path::Path,
    process::{Command, Output},
};

/// Fails unless the file system is without a fault.
pub(crate) fn fsck(disk: &Path) {
    let output = run(Command::new("e2fsck").arg("-fn").arg(disk), "e2fsprogs");
    assert!(output.status.success(), "e2fsck: {}", String::from_utf8_lossy(&output.stdout));
}

/// Debian's PATH for users lacks /sbin.
pub(crate) fn run(command: &mut Command, package: &str) -> Output {
    let path = std::env::var("PATH").unwrap_or_default();
    match command.env("PATH", format!("{path}:/usr/sbin:/sbin")).output() {
        Ok(output) => output,
        Err(error) => panic!("{command:?}: {error}\nit is needed by this test: apt-get install {package}"),
    }
}
