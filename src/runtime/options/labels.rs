//! `Labels`: names and values by which boxes are found. Part of `BoxOptions`.
//!
//! As in docker, a box has its image's labels too, under its own; those become known at its first start.

use std::collections::BTreeMap;

use boxlite_error::BoxliteResult;

use crate::options::bound::require;

/// Names and values.
pub type Labels = BTreeMap<String, String>;

/// Most labels that a box is given.
const MOST: usize = 64;
/// Longest name in bytes.
const NAME: usize = 255;
/// Longest value in bytes.
const VALUE: usize = 4096;

/// Checks the labels that a box is given. An image's are not checked, since its builder chose them.
pub(crate) fn check(labels: &Labels) -> BoxliteResult<()> {
    let count = labels.len();
    require(count <= MOST, "labels", || format!("must be at most {MOST}: {count}"))?;
    labels.iter().try_for_each(|(name, value)| {
        require(is_name(name), "labels", || format!("not a valid name: {name:?}")).map_err(|error| {
            let hint =
                "use 1 to 255 letters, digits, `.`, `_`, `-` and `/`, the first and last a letter or digit";
            error.hint(hint)
        })?;
        let length = value.len();
        require(length <= VALUE && !value.contains('\0'), "labels", || {
            format!("`{name}`: its value must be at most {VALUE} bytes without NUL: {length} bytes")
        })
    })
}

/// A box's labels over its image's.
pub(crate) fn merged(image: Option<&Labels>, own: &Labels) -> Labels {
    let mut labels = image.cloned().unwrap_or_default();
    labels.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
    labels
}

fn is_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    bytes.len() <= NAME && ends(bytes.first()) && ends(bytes.last()) && bytes.iter().copied().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn names_are_those_of_docker_and_kubernetes() {
        for name in ["a", "com.example.team", "app.kubernetes.io/name", "a_b-c"] {
            check(&labels(&[(name, "")])).unwrap();
        }
        for name in ["", "-a", "a/", "a b", "ä", &"x".repeat(256)] {
            let error = check(&labels(&[(name, "")])).unwrap_err();
            assert_eq!(error.to_string(), format!("option `labels`: not a valid name: {name:?}"));
        }
    }

    #[test]
    fn values_and_numbers_are_bounded() {
        check(&labels(&[("a", "any text: ü \n")])).unwrap();
        let refused = |labels: &Labels| check(labels).unwrap_err().to_string();
        assert!(refused(&labels(&[("a", "\0")])).ends_with("without NUL: 1 bytes"));
        assert!(refused(&labels(&[("a", &"x".repeat(VALUE + 1))])).ends_with("without NUL: 4097 bytes"));
        let many: Labels = (0..=MOST).map(|i| (format!("n{i}"), String::new())).collect();
        assert_eq!(refused(&many), "option `labels`: must be at most 64: 65");
    }

    #[test]
    fn the_box_goes_over_its_image() {
        let image = labels(&[("a", "1"), ("b", "2")]);
        assert_eq!(merged(Some(&image), &labels(&[("a", "3")])), labels(&[("a", "3"), ("b", "2")]));
    }
}
