//! Ids of boxes and executions: short, random, safe in paths and process titles.

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};

/// 12 letters and digits, about 62 bits.
pub(crate) fn random() -> BoxliteResult<String> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut bytes = [0u8; 12];
    getrandom::fill(&mut bytes)
        .map_err(|error| BoxliteError::new(ErrorCode::Internal, format!("draw a random id: {error}")))?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect())
}

/// Whether this could be an id: a name that is one is looked up as an id first.
pub(crate) fn is_one(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_differ_and_are_plain() {
        let (a, b) = (super::random().unwrap(), super::random().unwrap());
        assert_ne!(a, b);
        assert!(a.len() == 12 && a.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
