//! Execution ids, which the host chooses.
//!
//! Checked by `table` for each call that names one.

use boxlite_wire::limits;

use crate::{Error, Kind, Result};

/// Returns `id`, or an error unless it has 1 to [`limits::EXECUTION_ID`] characters of `[A-Za-z0-9_-]`.
pub(super) fn checked(id: &str) -> Result<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.is_empty() || id.len() > limits::EXECUTION_ID || !id.bytes().all(plain) {
        let most = limits::EXECUTION_ID;
        return Err(Error::new(
            Kind::Invalid,
            format!("execution id {id:?}: want 1 to {most} of [A-Za-z0-9_-]"),
        ));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_and_bounded() {
        assert!(checked("a-B_9").is_ok());
        for id in ["", "a b", "a/b", "ä", &"x".repeat(limits::EXECUTION_ID + 1)] {
            let refused = checked(id).expect_err("not plain").to_string();
            assert!(refused.contains("want 1 to"), "{id:?}: {refused}");
        }
    }
}
