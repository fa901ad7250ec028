//! Untrusted texts, made fit to be shown: short, and without what a terminal would obey. Called wherever a name, a value or a
//! registry's answer becomes part of an error.

use std::fmt::Write as _;

/// The most bytes of a clipped text.
pub const LONGEST_TEXT: usize = 4096;

/// `text` with its control characters escaped, cut at [`LONGEST_TEXT`].
pub fn clip(text: &str) -> String {
    let mut clipped = String::new();
    for char in text.chars() {
        if clipped.len() + char.len_utf8() > LONGEST_TEXT {
            let _ = write!(clipped, "… ({} bytes in all)", text.len());
            break;
        }
        // Those that turn the direction of what follows hide as well as escape sequences do.
        if char.is_control() || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            clipped.extend(char.escape_default());
        } else {
            clipped.push(char);
        }
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_and_control_characters_shown() {
        assert_eq!(clip("plain é"), "plain é");
        assert_eq!(clip("a\x1b[2Jb\n\u{202e}c"), "a\\u{1b}[2Jb\\n\\u{202e}c");
        let long = clip(&"é".repeat(5 << 20));
        assert!(long.len() < LONGEST_TEXT + 64, "{}", long.len());
        assert!(long.ends_with("… (10485760 bytes in all)"), "{}", &long[4000..]);
    }
}
