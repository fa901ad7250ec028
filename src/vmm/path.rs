//! Names of the box's files for engines, which take no path of any bytes and any length: libkrun wants text, QEMU's JSON too,
//! and a socket's address has 107 bytes. The shim's working directory is the box's folder, from where each has a short one.

use std::{
    env,
    path::{Path, PathBuf},
};

/// `path` as seen from the working directory, if it lies below it.
pub(crate) fn from_here(path: &Path) -> PathBuf {
    let here = env::current_dir().ok();
    let below = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    // The root lies below nothing, and a path from there is as long as the whole.
    below.filter(|below| !below.as_os_str().is_empty() && here != Some("/".into())).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_the_working_directory_has_a_short_name() {
        let here = env::current_dir().unwrap();
        assert_eq!(from_here(&here.join("a/b")), Path::new("a/b"));
        assert_eq!(from_here(&here), here);
        assert_eq!(from_here(Path::new("/elsewhere/a")), Path::new("/elsewhere/a"));
    }
}
