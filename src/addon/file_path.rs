//! Paths and names between JavaScript and the runtime: text, or bytes where they are no UTF-8. Called by all that has to do with files.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::PathBuf};

use boxlite_runtime::DirectoryEntry;
use napi::bindgen_prelude::{Buffer, Either};
use napi_derive::napi;

/// A path or a name: text, or its bytes where it is none.
pub(crate) type Name = Either<String, Buffer>;

/// A path as the runtime takes it.
pub(crate) fn path_of(name: Name) -> PathBuf {
    match name {
        Either::A(text) => text.into(),
        Either::B(bytes) => OsString::from_vec(bytes.to_vec()).into(),
    }
}

/// A path as its bytes, or as text: then what is not UTF-8 arrives as Node gives it, with replacement characters.
pub(crate) fn name_of(path: PathBuf, raw: bool) -> Name {
    let bytes = path.into_os_string().into_vec();
    if raw {
        return Either::B(bytes.into());
    }
    Either::A(
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

/// An entry of a directory.
#[napi(object, object_from_js = false)]
pub struct Entry {
    /// Below the directory.
    pub name: Name,
    /// The file type bits of its mode.
    pub kind: u32,
}

/// Entries with their names as text, or as bytes.
pub(crate) fn entries(entries: Vec<DirectoryEntry>, raw: bool) -> Vec<Entry> {
    let named = |entry: DirectoryEntry| Entry { name: name_of(entry.path, raw), kind: entry.file_type };
    entries.into_iter().map(named).collect()
}
