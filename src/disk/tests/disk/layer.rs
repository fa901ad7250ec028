//! Writes layers: tar archives with any entry one can think of, plain or compressed.

use std::{fs, io::Write, path::Path};

use boxlite_disk::{Compression, LayerFile};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

/// One entry to be; the defaults are root's, mode 0644 or 0755, time 1000.
pub(crate) struct Entry {
    pub(crate) kind: EntryType,
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) mtime: &'static str,
    pub(crate) device: (u32, u32),
    pub(crate) xattrs: Vec<(&'static str, Vec<u8>)>,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn entry(kind: EntryType, path: &str) -> Entry {
    Entry {
        kind,
        path: path.into(),
        link: Vec::new(),
        mode: if kind == EntryType::Directory { 0o755 } else { 0o644 },
        owner: (0, 0),
        mtime: "1000",
        device: (0, 0),
        xattrs: Vec::new(),
        data: Vec::new(),
    }
}

/// A tar archive in the making.
#[derive(Default, Clone)]
pub(crate) struct Layer(pub(crate) Vec<u8>);

impl Layer {
    #[allow(clippy::needless_pass_by_value, reason = "entries are written where they are used")]
    pub(crate) fn add(mut self, entry: Entry) -> Self {
        let mut records = Vec::new();
        for (key, value) in &entry.xattrs {
            record(&mut records, &format!("SCHILY.xattr.{key}"), value);
        }
        if entry.path.len() > 100 {
            record(&mut records, "path", &entry.path);
        }
        if entry.link.len() > 100 {
            record(&mut records, "linkpath", &entry.link);
        }
        if entry.mtime.contains(['.', '-']) {
            record(&mut records, "mtime", entry.mtime.as_bytes());
        }
        if !records.is_empty() {
            let mut header = Header::new_ustar();
            header.set_entry_type(EntryType::XHeader);
            self.raw(header, &records);
        }
        let mut header = Header::new_ustar();
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_uid(entry.owner.0);
        header.set_gid(entry.owner.1);
        header.set_mtime(entry.mtime.parse().unwrap_or(0));
        header.set_device_major(entry.device.0).unwrap();
        header.set_device_minor(entry.device.1).unwrap();
        let old = header.as_old_mut();
        for (field, value) in [(&mut old.name, &entry.path), (&mut old.linkname, &entry.link)] {
            let length = value.len().min(100);
            field[..length].copy_from_slice(&value[..length]);
        }
        self.raw(header, &entry.data);
        self
    }

    /// A header as it is, with its content.
    pub(crate) fn raw(&mut self, mut header: Header, data: &[u8]) {
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    pub(crate) fn file(self, path: &str, data: impl Into<Vec<u8>>) -> Self {
        self.add(Entry { data: data.into(), ..entry(EntryType::Regular, path) })
    }

    pub(crate) fn dir(self, path: &str) -> Self {
        self.add(entry(EntryType::Directory, path))
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.add(Entry { link: target.into(), ..entry(EntryType::Symlink, path) })
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        self.add(Entry { link: target.into(), ..entry(EntryType::Link, path) })
    }

    /// The finished archive.
    pub(crate) fn tar(&self) -> Vec<u8> {
        let mut tar = self.0.clone();
        tar.resize(tar.len() + 1024, 0);
        tar
    }

    /// Stores the layer in `dir`.
    pub(crate) fn store(&self, dir: &Path, compression: Compression) -> LayerFile {
        let tar = self.tar();
        let diff_id = digest(&tar);
        let bytes = match compression {
            Compression::None => tar,
            Compression::Gzip => gzip(&tar),
            Compression::Zstd => zstd::encode_all(&tar[..], 1).unwrap(),
        };
        store(dir, &bytes, diff_id)
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Stores bytes as a blob, whatever they are.
pub(crate) fn store(dir: &Path, bytes: &[u8], diff_id: String) -> LayerFile {
    let path = dir.join(&digest(bytes)[7..]);
    fs::write(&path, bytes).unwrap();
    LayerFile { path, diff_id }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    let hex = Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("sha256:{hex}")
}

pub(crate) fn record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let body = key.len() + value.len() + 3;
    let mut length = body;
    while body + length.to_string().len() != length {
        length = body + length.to_string().len();
    }
    records.extend(format!("{length} {key}=").as_bytes());
    records.extend(value);
    records.push(b'\n');
}
