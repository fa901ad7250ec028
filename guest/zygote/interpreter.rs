//! What is missing for a file that can't be executed: the interpreter of a script, or the loader of a program.
//!
//! Called by `program` in the child, after execve(2) has found the file but not what it needs. The file is untrusted: only a
//! regular file is opened, and only its first bytes are read.

use std::{
    ffi::{CStr, OsStr},
    fs::{self, File, OpenOptions},
    io::Read as _,
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::Path,
};

use nix::fcntl::OFlag;

/// Bytes that are read of the file. The kernel takes 256 of a script's first line, and linkers put a loader's name first.
const HEAD: u64 = 4096;

/// A message that says what `file` needs and does not have.
pub(super) fn missing(file: &CStr) -> String {
    let path = Path::new(OsStr::from_bytes(file.to_bytes()));
    message(path, &head(path).unwrap_or_default())
}

fn message(path: &Path, head: &[u8]) -> String {
    if let Some(interpreter) = of_script(head) {
        let (name, file) = (String::from_utf8_lossy(interpreter), path.to_string_lossy());
        return if interpreter.ends_with(b"\r") {
            format!(
                "its interpreter {name:?} does not exist: the lines of {file:?} end as on Windows, in CRLF"
            )
        } else if Path::new(OsStr::from_bytes(interpreter)).exists() {
            format!("its interpreter {name:?} is there, but not what that needs in turn")
        } else {
            format!("its interpreter {name:?} is not in the image")
        };
    }
    match of_program(head) {
        Some(loader) => format!("its loader {:?} is not in the image", String::from_utf8_lossy(loader)),
        None => "its interpreter or loader is not in the image".to_owned(),
    }
}

fn head(path: &Path) -> Option<Vec<u8>> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    // Don't wait for a writer, should it be a FIFO by now.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file: File = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).ok()?;
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head).ok()?;
    Some(head)
}

/// The interpreter that a script names (`fs/binfmt_script.c`).
fn of_script(head: &[u8]) -> Option<&[u8]> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty())
}

/// The loader that a 64-bit little-endian program names (elf(5), `PT_INTERP`).
fn of_program(head: &[u8]) -> Option<&[u8]> {
    const PT_INTERP: u64 = 3;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let number = |at: usize, length: usize| -> Option<u64> {
        let mut bytes = [0; 8];
        bytes.get_mut(..length)?.copy_from_slice(head.get(at..at.checked_add(length)?)?);
        Some(u64::from_le_bytes(bytes))
    };
    let position = |at: usize, length: usize| usize::try_from(number(at, length)?).ok();
    let (table, size, count) = (position(32, 8)?, position(54, 2)?, position(56, 2)?);
    for index in 0..count {
        let entry = table.checked_add(index.checked_mul(size)?)?;
        if number(entry, 4)? == PT_INTERP {
            let (start, length) = (position(entry.checked_add(8)?, 8)?, position(entry.checked_add(32)?, 8)?);
            return head.get(start..start.checked_add(length)?)?.split(|byte| *byte == 0).next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_its_interpreter() {
        let missing = |head: &[u8]| message(Path::new("/x"), head);
        assert_eq!(missing(b"#!/no/such -e\nrest"), "its interpreter \"/no/such\" is not in the image");
        assert_eq!(missing(b"#! \t/no/such"), "its interpreter \"/no/such\" is not in the image");
        assert!(
            missing(b"#!/bin/sh\r\n")
                .contains("\"/bin/sh\\r\" does not exist: the lines of \"/x\" end as on Windows")
        );
        assert!(missing(b"#!/etc/passwd\n").contains("is there"));
        assert_eq!(missing(b"#!\n"), "its interpreter or loader is not in the image");
        assert_eq!(missing(b""), "its interpreter or loader is not in the image");
    }

    #[test]
    fn a_program_names_its_loader_and_nonsense_nothing() {
        let own = head(&std::env::current_exe().expect("a test is a program")).expect("a head");
        let loader = of_program(&own).map(String::from_utf8_lossy).expect("a loader");
        assert!(loader.starts_with("/lib"), "{loader}");
        for length in 0..own.len().min(300) {
            let _ = of_program(&own[..length]);
        }
        let mut broken = own;
        broken[32..40].fill(0xff);
        assert_eq!(of_program(&broken), None);
    }

    #[test]
    fn what_is_no_regular_file_is_not_read() {
        assert_eq!(head(Path::new("/dev/zero")), None);
    }
}
