//! Serialises the spec's paths: as text if they are UTF-8, else as their bytes, since a file of Linux may have any name. Used by
//! `instance`.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written<'a> {
    Text(std::borrow::Cow<'a, str>),
    Bytes(std::borrow::Cow<'a, [u8]>),
}

fn written(path: &Path) -> Written<'_> {
    path.to_str()
        .map_or_else(|| Written::Bytes(path.as_os_str().as_bytes().into()), |text| Written::Text(text.into()))
}

fn read(written: Written<'_>) -> PathBuf {
    match written {
        Written::Text(text) => text.into_owned().into(),
        Written::Bytes(bytes) => OsString::from_vec(bytes.into_owned()).into(),
    }
}

pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    written(path).serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    Written::deserialize(from).map(read)
}

/// The same for an optional path.
pub(super) mod optional {
    use super::{Deserialize, Deserializer, PathBuf, Serialize, Serializer, Written, read, written};

    #[expect(clippy::ref_option, reason = "serde passes the field as it is")]
    pub(in super::super) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        path.as_deref().map(written).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Written<'_>>::deserialize(from)?.map(read))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Paths {
        #[serde(with = "super")]
        one: PathBuf,
        #[serde(with = "super::optional")]
        two: Option<PathBuf>,
    }

    #[test]
    fn a_path_of_any_bytes_is_restored() {
        let odd = PathBuf::from(OsStr::from_bytes(b"/h\xff,\n\"x"));
        for (one, two) in
            [(odd.clone(), Some(odd)), ("/plain".into(), Some("/ü".into())), ("/a".into(), None)]
        {
            let paths = Paths { one, two };
            let text = serde_json::to_string(&paths).unwrap();
            assert_eq!(serde_json::from_str::<Paths>(&text).unwrap(), paths, "{text}");
        }
        assert_eq!(
            serde_json::to_string(&Paths { one: "/a".into(), two: None }).unwrap(),
            r#"{"one":"/a","two":null}"#
        );
    }
}
