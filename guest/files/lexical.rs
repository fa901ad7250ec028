//! Paths as text, as in Node's `path` module: `..` removes the name before it, whatever the kernel would do. Used by `cp`, whose
//! rules are about the text of paths.

use std::{
    env, io,
    path::{Component, Path, PathBuf},
};

/// The path from the root, without `.` and `..`.
pub(super) fn absolute(path: &Path) -> io::Result<PathBuf> {
    Ok(if path.is_absolute() { plain(path) } else { plain(&env::current_dir()?.join(path)) })
}

/// Where the symlink at `link`, which is an absolute path, leads if its text is `target`.
pub(super) fn resolved(link: &Path, target: &Path) -> PathBuf {
    plain(&link.parent().unwrap_or(Path::new("/")).join(target))
}

/// Whether `path` is `folder`, or in it.
pub(super) fn is_below(folder: &Path, path: &Path) -> bool {
    path.starts_with(folder)
}

fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_as_text() {
        for (link, target, leads) in [
            ("/a/b/link", "c", "/a/b/c"),
            ("/a/b/link", "../c/./d/", "/a/c/d"),
            ("/a/link", "../../../c", "/c"),
            ("/a/link", "/x/../y", "/y"),
            ("/link", ".", "/"),
        ] {
            assert_eq!(resolved(Path::new(link), Path::new(target)), Path::new(leads), "{link} -> {target}");
        }
        assert!(is_below(Path::new("/a"), Path::new("/a/b")) && is_below(Path::new("/a"), Path::new("/a")));
        assert!(!is_below(Path::new("/a"), Path::new("/ab")));
    }
}
