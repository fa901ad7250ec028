//! Certificates of authorities in the stores of the rootfs, beside those of the image.
//!
//! Called by `init` after `pivot_root`, and by `files` on a thread inside the container when an authority is added while it runs. Stores are files of certificates in PEM, whose readers skip what is between certificates, so
//! that ours are a section between two lines of text. A later start replaces that section, wherever it is, and nothing else.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use boxlite_wire::authorities::BUNDLE;
use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2},
    sys::stat::Mode,
};

use crate::{Context as _, Result};

/// The stores that distributions have, as their programs find them: Debian and Alpine, Fedora, SUSE, and what OpenSSL reads
/// where nothing else is configured.
const STORES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Folders from which distributions make their stores anew (`update-ca-certificates`, `update-ca-trust`).
const ANCHORS: [&str; 2] = ["/usr/local/share/ca-certificates", "/etc/pki/ca-trust/source/anchors"];

/// The name of our file in [`ANCHORS`].
const ANCHOR: &str = "boxlite.crt";

/// The lines around our section.
const BEGIN: &[u8] = b"# boxlite: authorities of this box\n";
const END: &[u8] = b"# boxlite: end\n";

/// Most bytes of a store that is changed.
const LONGEST: u64 = 16 << 20;

/// Puts `certificates` into the stores of this process's root. None removes those of an earlier start.
///
/// # Errors
///
/// A store can't be read or written.
pub fn install(certificates: &[u8]) -> Result<()> {
    if certificates.is_empty() && fs::symlink_metadata(BUNDLE).is_err() {
        return Ok(());
    }
    install_below(Path::new("/"), certificates).context(|| "add authorities to the box's store")
}

fn install_below(root: &Path, certificates: &[u8]) -> io::Result<()> {
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    let mut image = None;
    for store in STORES {
        match open(&below(store), OFlag::O_RDWR) {
            Ok(mut file) => {
                let of_image = replace_section(&mut file, certificates)?;
                image.get_or_insert(of_image);
            }
            // The image has no such store, or it leads somewhere else.
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    for folder in ANCHORS {
        let anchor = below(folder).join(ANCHOR);
        if certificates.is_empty() {
            let _ = fs::remove_file(anchor);
        } else if fs::symlink_metadata(below(folder)).is_ok_and(|folder| folder.is_dir()) {
            write(&anchor, &[certificates])?;
        }
    }
    let bundle = below(BUNDLE);
    if certificates.is_empty() {
        return fs::remove_file(bundle);
    }
    if let Some(folder) = bundle.parent() {
        fs::create_dir_all(folder)?;
    }
    write(&bundle, &[&image.unwrap_or_default(), certificates])
}

/// Replaces our section of the store by one with `certificates`, or removes it. Returns the store without it.
fn replace_section(file: &mut File, certificates: &[u8]) -> io::Result<Vec<u8>> {
    let mut present = Vec::new();
    (&*file).take(LONGEST + 1).read_to_end(&mut present)?;
    if present.len() as u64 > LONGEST {
        return Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!("a store has more than {LONGEST} bytes"),
        ));
    }
    let mut without = present.clone();
    if let Some(begin) = find(&present, BEGIN) {
        // A section without an end is one whose writer was killed.
        let end = find(&present[begin..], END).map_or(present.len(), |end| begin + end + END.len());
        without.drain(begin..end);
    }
    let mut wanted = without.clone();
    if !certificates.is_empty() {
        if !wanted.is_empty() && !wanted.ends_with(b"\n") {
            wanted.push(b'\n');
        }
        wanted.extend([BEGIN, certificates].concat());
        if !wanted.ends_with(b"\n") {
            wanted.push(b'\n');
        }
        wanted.extend(END);
    }
    // What comes before the first difference stays, so that the image's certificates are there at every moment.
    let same = present.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
    if same < present.len().max(wanted.len()) {
        file.seek(SeekFrom::Start(same as u64))?;
        file.write_all(&wanted[same..])?;
        file.set_len(wanted.len() as u64)?;
    }
    Ok(without)
}

fn find(text: &[u8], line: &[u8]) -> Option<usize> {
    text.windows(line.len()).position(|window| window == line)
}

/// Writes a file of ours in place of what exists there, which is never followed.
fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let content = parts.concat();
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())
        && fs::read(path).is_ok_and(|present| present == content)
    {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = open(path, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL)?;
    file.write_all(&content)
}

/// Opens a regular file. Symlinks of /proc are not followed, since they would lead to what is the agent's.
fn open(path: &Path, flags: OFlag) -> io::Result<File> {
    let mode = if flags.contains(OFlag::O_CREAT) { Mode::from_bits_truncate(0o644) } else { Mode::empty() };
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
        .mode(mode)
        .resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = File::from(openat2(AT_FDCWD, path, how)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(ErrorKind::NotFound.into()) }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
        || error.raw_os_error() == Some(Errno::ELOOP as i32)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn read(root: &Path, path: &str) -> String {
        fs::read_to_string(root.join(path.trim_start_matches('/'))).expect(path)
    }

    fn debian() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("tempdir");
        fs::create_dir_all(root.path().join("etc/ssl/certs")).expect("mkdir");
        fs::create_dir_all(root.path().join("usr/local/share/ca-certificates")).expect("mkdir");
        fs::write(root.path().join("etc/ssl/certs/ca-certificates.crt"), "image\n").expect("write");
        root
    }

    #[test]
    fn corporate_ca_is_added_once_replaced_and_removed() {
        let root = debian();
        let store = STORES[0];
        for _ in 0..2 {
            install_below(root.path(), b"first\n").expect("install");
            let section = "image\n# boxlite: authorities of this box\nfirst\n# boxlite: end\n";
            assert_eq!(read(root.path(), store), section);
            assert_eq!(read(root.path(), BUNDLE), "image\nfirst\n");
            assert_eq!(read(root.path(), "/usr/local/share/ca-certificates/boxlite.crt"), "first\n");
        }
        // What a user has added after it stays.
        let path = root.path().join(&store[1..]);
        fs::write(&path, read(root.path(), store) + "user\n").expect("append");
        install_below(root.path(), b"a longer second").expect("install");
        let text = read(root.path(), store);
        assert_eq!(
            text,
            "image\nuser\n# boxlite: authorities of this box\na longer second\n# boxlite: end\n"
        );
        install_below(root.path(), b"").expect("remove");
        assert_eq!(read(root.path(), store), "image\nuser\n");
        assert!(!root.path().join(&BUNDLE[1..]).exists());
        assert!(!root.path().join("usr/local/share/ca-certificates/boxlite.crt").exists());
    }

    #[test]
    fn a_section_that_was_half_written_is_replaced() {
        let root = debian();
        let path = root.path().join(&STORES[0][1..]);
        fs::write(&path, "image\n# boxlite: authorities of this box\nfir").expect("write");
        install_below(root.path(), b"whole\n").expect("install");
        assert_eq!(read(root.path(), BUNDLE), "image\nwhole\n");
        assert!(read(root.path(), STORES[0]).ends_with("whole\n# boxlite: end\n"));
    }

    #[test]
    fn stores_that_are_links_are_changed_once() {
        let root = debian();
        symlink("certs/ca-certificates.crt", root.path().join("etc/ssl/cert.pem")).expect("symlink");
        symlink("/proc/self/cwd/x", root.path().join("etc/ssl/ca-bundle.pem")).expect("symlink");
        install_below(root.path(), b"ours\n").expect("install");
        assert_eq!(read(root.path(), STORES[0]).matches("ours").count(), 1);
    }

    #[test]
    fn an_image_without_a_store_has_the_bundle() {
        let root = tempfile::tempdir().expect("tempdir");
        install_below(root.path(), b"ours\n").expect("install");
        assert_eq!(read(root.path(), BUNDLE), "ours\n");
    }
}
