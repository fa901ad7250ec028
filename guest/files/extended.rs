//! Extended attributes. Called by `call`.

use std::path::Path;

use boxlite_proto::v1::FileRequest;
use rustix::fs::{
    XattrFlags, getxattr, lgetxattr, listxattr, llistxattr, lremovexattr, lsetxattr, removexattr, setxattr,
};

use super::{
    fault::{Call as _, Outcome},
    path::path_of,
};

/// The kernel's `XATTR_SIZE_MAX` and `XATTR_LIST_MAX`.
const MOST: usize = 64 * 1024;

/// The value of an attribute.
pub(super) fn get(path: &Path, request: &FileRequest) -> Outcome<Vec<u8>> {
    let (name, mut value) = (path_of(&request.name), vec![0; MOST]);
    let read = if request.follow { getxattr } else { lgetxattr };
    let length = read(path, name, &mut value[..]).call("getxattr", path)?;
    value.truncate(length);
    Ok(value)
}

/// Sets an attribute.
pub(super) fn set(path: &Path, request: &FileRequest) -> Outcome<()> {
    let (name, flags) = (path_of(&request.name), XattrFlags::from_bits_retain(request.flags));
    let write = if request.follow { setxattr } else { lsetxattr };
    write(path, name, &request.data, flags).call("setxattr", path)
}

/// The names of all attributes, each with a NUL at its end.
pub(super) fn list(path: &Path, request: &FileRequest) -> Outcome<Vec<u8>> {
    let mut names = vec![0; MOST];
    let read = if request.follow { listxattr } else { llistxattr };
    let length = read(path, &mut names[..]).call("listxattr", path)?;
    names.truncate(length);
    Ok(names)
}

/// Removes an attribute.
pub(super) fn remove(path: &Path, request: &FileRequest) -> Outcome<()> {
    let name = path_of(&request.name);
    let remove = if request.follow { removexattr } else { lremovexattr };
    remove(path, name).call("removexattr", path)
}
