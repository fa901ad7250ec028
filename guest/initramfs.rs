//! `boxlite-initramfs AGENT OUT`: packs the agent into the initramfs that every box boots from.
//!
//! Run by `initramfs.sh`. It writes an uncompressed "newc" archive (Linux `Documentation/driver-api/early-userspace/
//! buffer-format.rst`) with `/init` and `/dev/console`, written without root rights and the same for the same agent.

use std::{env, fs, io, process::ExitCode};

/// File types and modes, as in `st_mode`.
const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const CONSOLE: u32 = 0o020_600;

/// Size of a page of memory.
const PAGE: usize = 4096;

/// An archive that is being written.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, device: (u32, u32), data: &[u8]) -> io::Result<()> {
        let too_long = |_| io::Error::other(format!("{name}: too long for the newc format"));
        let size = u32::try_from(data.len()).map_err(too_long)?;
        let name_size = u32::try_from(name.len() + 1).map_err(too_long)?;
        self.entries += 1;
        // Magic; then ino, mode, uid, gid, nlink, mtime, filesize, maj, min, rmaj, rmin, namesize, chksum.
        self.bytes.extend_from_slice(b"070701");
        let links = if mode == DIRECTORY { 2 } else { 1 };
        let fields = [self.entries, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0];
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
        Ok(())
    }

    /// Pads to a multiple of four, at which headers and data begin.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

fn pack(agent: &[u8]) -> io::Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.add("dev", DIRECTORY, (0, 0), &[])?;
    // The kernel opens it as init's standard streams, before anything is mounted.
    archive.add("dev/console", CONSOLE, (5, 1), &[])?;
    for name in ["proc", "root", "run", "sys"] {
        archive.add(name, DIRECTORY, (0, 0), &[])?;
    }
    archive.add("init", PROGRAM, (0, 0), agent)?;
    archive.add("TRAILER!!!", 0, (0, 0), &[])?;
    // libkrun puts it at the end of memory; an odd size costs the kernel a warning with a trace at every start.
    archive.bytes.resize(archive.bytes.len().next_multiple_of(PAGE), 0);
    Ok(archive.bytes)
}

fn run() -> Result<(), String> {
    let mut arguments = env::args().skip(1);
    let (Some(agent), Some(out), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: boxlite-initramfs AGENT OUT".into());
    };
    let program = fs::read(&agent).map_err(|error| format!("read {agent}: {error}"))?;
    let archive = pack(&program).map_err(|error| format!("pack {agent}: {error}"))?;
    // The file is written aside and renamed, so that a box that starts meanwhile sees the old one or the new one.
    let aside = format!("{out}.new");
    fs::write(&aside, archive).map_err(|error| format!("write {aside}: {error}"))?;
    fs::rename(&aside, &out).map_err(|error| format!("rename {aside} to {out}: {error}"))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("boxlite-initramfs: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, mode, device, data.
    type Entry = (String, u32, (u32, u32), Vec<u8>);

    /// Reads an archive back by the format's own description.
    fn unpack(mut bytes: &[u8]) -> Vec<Entry> {
        let mut entries = Vec::new();
        loop {
            let field = |index: usize| {
                let text = std::str::from_utf8(&bytes[6 + index * 8..14 + index * 8]).expect("ASCII");
                u32::from_str_radix(text, 16).expect("hexadecimal")
            };
            assert_eq!(&bytes[..6], b"070701");
            let (name_size, size) = (field(11) as usize, field(6) as usize);
            let data_at = (110 + name_size).next_multiple_of(4);
            let name = String::from_utf8(bytes[110..110 + name_size - 1].to_vec()).expect("UTF-8");
            if name == "TRAILER!!!" {
                return entries;
            }
            entries.push((name, field(1), (field(9), field(10)), bytes[data_at..data_at + size].to_vec()));
            bytes = &bytes[(data_at + size).next_multiple_of(4)..];
        }
    }

    #[test]
    fn holds_the_agent_and_a_console() {
        let entries = unpack(&pack(b"#!agent").expect("packs"));
        let entry = |name: &str| entries.iter().find(|entry| entry.0 == name).expect("there");
        assert_eq!(entry("init").1, 0o100_755);
        assert_eq!(entry("init").3, b"#!agent");
        assert_eq!((entry("dev/console").1, entry("dev/console").2), (0o020_600, (5, 1)));
        let position = |name: &str| entries.iter().position(|entry| entry.0 == name);
        assert!(position("dev") < position("dev/console"), "parents come first");
    }

    #[test]
    fn the_same_agent_gives_the_same_bytes() {
        assert_eq!(pack(b"x").expect("packs"), pack(b"x").expect("packs"));
        assert_eq!(pack(b"x").expect("packs").len() % PAGE, 0);
    }
}
