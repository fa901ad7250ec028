//! The files that a box is run with: shim, kernel, initramfs. Found in the platform package, or where the environment
//! says. Used by the pipeline, the engine choice and the doctor.

use std::{env, ffi::OsStr, path::PathBuf};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, Term, Text, text};

/// One file of the platform package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asset {
    Shim,
    Kernel,
    Initramfs,
}

impl Asset {
    pub(crate) const ALL: [Self; 3] = [Self::Shim, Self::Kernel, Self::Initramfs];

    pub(crate) const fn name(self) -> &'static str {
        self.facts().0
    }

    /// Its name, its place in the platform package and in the build folder, which has the same layout, and the variable that names
    /// another file.
    const fn facts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Shim => ("shim", "bin/boxlite-shim", "BOXLITE_SHIM"),
            Self::Kernel => ("kernel", "share/vmlinux", "BOXLITE_KERNEL"),
            Self::Initramfs => ("initramfs", "share/initramfs.cpio", "BOXLITE_INITRAMFS"),
        }
    }
}

/// Where the assets are searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assets {
    folder: Option<PathBuf>,
    overrides: [Option<PathBuf>; 3],
}

impl Assets {
    /// Remembers the folder and what the environment says now.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        let overrides = Asset::ALL.map(|asset| {
            env::var_os(asset.facts().2).filter(|path| path != OsStr::new("")).map(PathBuf::from)
        });
        Self { folder, overrides }
    }

    /// The file of `asset`, which exists.
    pub(crate) fn find(&self, asset: Asset) -> BoxliteResult<PathBuf> {
        let (name, place, variable) = asset.facts();
        let missing = |what: &str, remedy: Text| {
            Err(BoxliteError::new(ErrorCode::PartMissing, format!("find {name}{what}")).hint(remedy))
        };
        let (path, remedy) = match (&self.overrides[asset as usize], &self.folder) {
            (Some(path), _) => (path.clone(), text!(format!("correct or unset {variable}"))),
            (None, Some(folder)) => {
                let instead = format!(", or set {variable} to the {name}");
                (folder.join(place), text!["reinstall ", Term::Package, instead])
            }
            (None, None) => {
                let remedy = text!(format!("set {variable} to the {name}"));
                return missing(": no folder of assets is known", remedy);
            }
        };
        if path.is_file() {
            Ok(path)
        } else {
            missing(&format!(" `{}`: no such file", path.display()), remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_asset_is_named_with_its_remedy() {
        let assets = Assets { folder: Some("/nowhere".into()), overrides: [None, None, None] };
        let error = assets.find(Asset::Kernel).unwrap_err();
        assert_eq!(error.code(), ErrorCode::PartMissing);
        assert!(error.to_string().contains("/nowhere/share/vmlinux"));
        assert!(error.hint_text().unwrap().to_string().contains("BOXLITE_KERNEL"));
    }

    #[test]
    fn an_override_wins() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let assets =
            Assets { folder: Some("/nowhere".into()), overrides: [Some(file.path().to_owned()), None, None] };
        assert_eq!(assets.find(Asset::Shim).unwrap(), file.path());
    }
}
