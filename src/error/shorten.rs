//! Texts of untrusted origin, such as registries, guests and engines, cut to a length that can be stored, logged and shown.
//! `BoxliteError` calls it for every message, and the log for every line.

use std::borrow::Cow;

/// Longest text of an error, in bytes.
pub const TEXT: usize = 8 << 10;

/// `text` if it has at most `most` bytes, else its beginning and its end, which say what was tried and what came of it last,
/// with the number of missing bytes between them.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let head = text.floor_char_boundary(most / 4 * 3);
    let tail = text.ceil_char_boundary(text.len() - most / 4);
    Cow::Owned(format!("{} [… {} bytes …] {}", &text[..head], tail - head, &text[tail..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_both_ends_and_says_what_is_missing() {
        assert_eq!(shortened("short", 8), "short");
        let long = format!("open: {}: no such file", "ü".repeat(1 << 20));
        let short = shortened(&long, 80);
        assert!(short.len() < 120, "{short}");
        assert!(short.starts_with("open: ü") && short.ends_with("ü: no such file"), "{short}");
        assert!(short.contains("[… 2097"), "{short}");
    }
}
