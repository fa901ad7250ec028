//! Short names of the box's files. Engines don't accept every path: libkrun's API and QEMU's JSON take only text, and a socket's
//! address has at most 107 bytes. The shim's working directory is the box's folder, so each file has a short relative name.

use std::{
    env,
    path::{Path, PathBuf},
};

/// Returns `path` relative to the working directory if it lies below that, else `path` itself.
pub(crate) fn from_here(path: &Path) -> PathBuf {
    let here = env::current_dir().ok();
    let below = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    // From the root directory, a relative path would be no shorter.
    below.filter(|below| !below.as_os_str().is_empty() && here != Some("/".into())).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_the_working_directory_is_shortened() {
        let here = env::current_dir().unwrap();
        assert_eq!(from_here(&here.join("a/b")), Path::new("a/b"));
        assert_eq!(from_here(&here), here);
        assert_eq!(from_here(Path::new("/elsewhere/a")), Path::new("/elsewhere/a"));
    }
}
