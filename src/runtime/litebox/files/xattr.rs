//! Extended attributes: `Files::get_xattr` and its like, each one call of the guest.

use std::path::Path;

use boxlite_error::BoxliteResult;
use boxlite_portal::FileCall;
use bytes::Bytes;

use crate::litebox::files::verbs::Files;

impl Files {
    /// The value of an extended attribute, such as `user.origin`; `follow` as in [`chown`](Self::chown).
    ///
    /// # Errors
    ///
    /// A `FileFault` of `getxattr`: `ENODATA` if there is no such attribute.
    pub async fn get_xattr(&self, path: impl AsRef<Path>, name: &str, follow: bool) -> BoxliteResult<Bytes> {
        self.call(FileCall::get_xattr(path.as_ref(), name, follow)).await
    }

    /// Sets an extended attribute, of 64 KiB at most, with `XATTR_CREATE` (1), `XATTR_REPLACE` (2) or neither (0) as `flags`;
    /// `follow` as in [`chown`](Self::chown).
    ///
    /// # Errors
    ///
    /// A `FileFault` of `setxattr`: `EEXIST` and `ENODATA` for what the flags forbid.
    pub async fn set_xattr(
        &self,
        path: impl AsRef<Path>,
        name: &str,
        value: impl Into<Bytes>,
        flags: u32,
        follow: bool,
    ) -> BoxliteResult<()> {
        self.call(FileCall::set_xattr(path.as_ref(), name, value.into(), flags, follow)).await
    }

    /// The names of all extended attributes, sorted; `follow` as in [`chown`](Self::chown). What is no UTF-8 is replaced.
    ///
    /// # Errors
    ///
    /// A `FileFault` of `listxattr`.
    pub async fn list_xattr(&self, path: impl AsRef<Path>, follow: bool) -> BoxliteResult<Vec<String>> {
        let list = self.call(FileCall::list_xattr(path.as_ref(), follow)).await?;
        let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let mut names: Vec<_> = names.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Removes an extended attribute; `follow` as in [`chown`](Self::chown).
    ///
    /// # Errors
    ///
    /// A `FileFault` of `removexattr`: `ENODATA` if there is no such attribute.
    pub async fn remove_xattr(&self, path: impl AsRef<Path>, name: &str, follow: bool) -> BoxliteResult<()> {
        self.call(FileCall::remove_xattr(path.as_ref(), name, follow)).await
    }
}
