//! A root file system without an image around it: a folder, or a tar file. One layer and a bare configuration are made for
//! it, the same for the same files each time. Called by `layout`.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fs::{self, File, Metadata},
    io::{self, BufWriter, Read, Seek, Write},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use boxlite_unpack::{Cancel, Cancellable};
use serde_json::json;
use tar::{Builder, EntryType, Header};

use crate::{
    digest::{Digest, hash},
    docker::{LAYER, Made, descriptor},
    error::Error,
    files::{Files, open_file, opening, unpacking},
    platform::Platform,
    unpack::{MAX_UNPACKED, Scratch, ScratchFile, reader},
};

/// The names of the two files that the image is made of.
const CONTENT: &str = "content";
const CONFIG: &str = "config";

/// The image of the root file system at `path`. A folder is packed into a file without a name in `scratch`.
pub(crate) fn image(path: &Path, scratch: &Scratch, cancel: &Cancel) -> Result<(Files, Made), Error> {
    let meta = path.metadata().map_err(|error| opening(path, error))?;
    let failed = |error: io::Error| unpacking(path, error);
    let content =
        if meta.is_dir() { pack(path, scratch, cancel) } else { open_file(path) }.map_err(failed)?;
    let (digest, diff_id) = digests(&content, cancel).map_err(failed)?;
    let size = content.metadata().map_err(failed)?.len();
    let platform = Platform::host();
    let config = json!({
        "architecture": platform.architecture,
        "os": platform.os,
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
    });
    let config = config.to_string().into_bytes();
    let mut config_file = tempfile::tempfile_in(&scratch.dir).map_err(failed)?;
    config_file.write_all(&config).map_err(failed)?;
    let mut made = Made::default();
    made.names.insert(digest.clone(), CONTENT.to_owned());
    let layer = descriptor(LAYER, &digest, size);
    made.image((CONFIG, &config), &[layer], &platform, &[None]).map_err(|error| failed(error.into()))?;
    let files = [(CONTENT, content), (CONFIG, config_file)];
    Ok((Files::made(path.to_owned(), files).map_err(failed)?, made))
}

/// The digests of a file as it is, and of its content.
fn digests(file: &File, cancel: &Cancel) -> io::Result<(Digest, Digest)> {
    let bounded = |reader: &mut dyn Read| {
        let mut begin = reader.take(MAX_UNPACKED);
        let hasher = hash(&mut begin)?;
        if begin.into_inner().read(&mut [0])? > 0 {
            let message = format!("more than {MAX_UNPACKED} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        Ok(Digest::finish(hasher))
    };
    let mut start = file;
    start.rewind()?;
    Ok((bounded(&mut Cancellable::new(file, cancel))?, bounded(&mut reader(file, cancel)?)?))
}

/// A folder as a tar file.
fn pack(folder: &Path, scratch: &Scratch, cancel: &Cancel) -> io::Result<File> {
    let file = ScratchFile::new(scratch, MAX_UNPACKED, cancel)?;
    let mut packer = Packer { tar: Builder::new(BufWriter::new(file)), seen: HashMap::new() };
    // One behind the other, however deep folders lie in each other.
    let mut open = children(folder, Path::new(""))?;
    while let Some((path, name)) = open.pop() {
        cancel.check()?;
        let meta = path.symlink_metadata()?;
        packer.entry(&path, &name, &meta)?;
        if meta.is_dir() {
            open.extend(children(&path, &name)?);
        }
    }
    packer.tar.into_inner()?.into_inner()?.finish()
}

/// What a folder holds, by path and by name in the archive, the last first.
fn children(folder: &Path, name: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name()));
    let mut names = entries.collect::<io::Result<Vec<OsString>>>()?;
    names.sort_unstable_by(|one, other| other.cmp(one));
    Ok(names.into_iter().map(|child| (folder.join(&child), name.join(&child))).collect())
}

struct Packer<'a> {
    tar: Builder<BufWriter<ScratchFile<'a>>>,
    /// Files of several names: the first one, by device and inode.
    seen: HashMap<(u64, u64), PathBuf>,
}

impl Packer<'_> {
    fn entry(&mut self, path: &Path, name: &Path, meta: &Metadata) -> io::Result<()> {
        // Sockets are made by the programs that listen on them, and tar has no form for them.
        if meta.file_type().is_socket() {
            return Ok(());
        }
        let mut header = Header::new_gnu();
        header.set_metadata(meta);
        header.set_mode(meta.mode() & 0o7777);
        header.set_mtime(u64::try_from(meta.mtime()).unwrap_or(0));
        header.set_size(0);
        self.attributes(path)?;
        let kind = meta.file_type();
        if !kind.is_dir() && meta.nlink() > 1 {
            let first = self.seen.entry((meta.dev(), meta.ino())).or_insert_with(|| name.to_owned());
            if first != name {
                header.set_entry_type(EntryType::Link);
                let first = first.clone();
                return self.tar.append_link(&mut header, name, first);
            }
        }
        if kind.is_symlink() {
            return self.tar.append_link(&mut header, name, fs::read_link(path)?);
        }
        if kind.is_file() && meta.blocks() * 512 < meta.len() {
            // With its holes as holes.
            return self.tar.append_file(name, &mut open_file(path)?);
        }
        if kind.is_file() {
            header.set_size(meta.len());
            // A file that grows meanwhile must not grow past its header.
            return self.tar.append_data(&mut header, name, open_file(path)?.take(meta.len()));
        }
        if kind.is_char_device() || kind.is_block_device() {
            let number = |part: u64| u32::try_from(part).map_err(io::Error::other);
            header.set_device_major(number(nix::sys::stat::major(meta.rdev()))?)?;
            header.set_device_minor(number(nix::sys::stat::minor(meta.rdev()))?)?;
        }
        self.tar.append_data(&mut header, name, io::empty())
    }

    /// Extended attributes go into a PAX header before the entry, as libarchive and GNU tar write them.
    fn attributes(&mut self, path: &Path) -> io::Result<()> {
        let Ok(names) = xattr::list(path) else {
            // A file system without them.
            return Ok(());
        };
        let mut records = BTreeMap::new();
        for name in names {
            let Some(text) = name.to_str().filter(|name| !name.starts_with("system.")) else { continue };
            if let Some(value) = xattr::get(path, &name)? {
                records.insert(format!("SCHILY.xattr.{text}"), value);
            }
        }
        if records.is_empty() {
            return Ok(());
        }
        self.tar.append_pax_extensions(records.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_the_same_image_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/file"), "x").unwrap();
        fs::hard_link(root.join("a/file"), root.join("a/b/same")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.join("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let scratch = Scratch { dir: dir.path().into(), reserve: 0 };
        let cancel = Cancel::default();
        let digest = || image(&root, &scratch, &cancel).unwrap().1.index[0].digest().to_string();
        assert_eq!(digest(), digest());
        let file = pack(&root, &scratch, &cancel).unwrap();
        let mut tar = tar::Archive::new(file);
        let names: Vec<_> = tar
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.path().unwrap().display().to_string(), entry.header().entry_type().as_byte())
            })
            .collect();
        let expected = [("a", b'5'), ("a/b", b'5'), ("a/b/same", b'0'), ("a/file", b'1'), ("link", b'2')];
        assert_eq!(names, expected.map(|(name, kind)| (name.to_owned(), kind)));
    }

    #[test]
    fn holes_of_a_folder_cost_nothing() {
        use std::os::unix::fs::FileExt;
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        let sparse = File::create(root.join("sparse")).unwrap();
        sparse.write_all_at(b"end", 20 << 30).unwrap();
        let scratch = Scratch { dir: dir.path().into(), reserve: 0 };
        let file = pack(&root, &scratch, &Cancel::default()).unwrap();
        assert!(file.metadata().unwrap().len() < 1 << 20);
        let mut tar =
            boxlite_archive::TarReader::new(boxlite_archive::StoredFile::new(&file).unwrap(), 1 << 20);
        let entry = tar.next().unwrap().unwrap();
        assert_eq!(entry.sparse.unwrap().size(), (20 << 30) + 3);
    }

    #[test]
    fn folders_may_lie_deep_in_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let deep = "d/".repeat(1500);
        fs::create_dir_all(root.join(&deep)).unwrap();
        let scratch = Scratch { dir: dir.path().into(), reserve: 0 };
        let file = pack(&root, &scratch, &Cancel::default()).unwrap();
        assert_eq!(tar::Archive::new(file).entries().unwrap().count(), 1500);
    }
}
