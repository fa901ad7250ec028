//! Quoting for a shell line. Used by faces that make such lines out of values.

use std::borrow::Cow;

/// `word` as one word of a shell line, which reaches the command as it is, whatever it contains but NUL.
pub fn shell_quote(word: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return Cow::Borrowed(word);
    }
    // Inside single quotes POSIX shells take every byte as it is, but for the quote itself (XCU 2.2.2).
    Cow::Owned(format!("'{}'", word.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn random_words_reach_the_command_unchanged() {
        let mut seed = 7_u64;
        let mut random = |below: usize| {
            seed = seed * 48_271 % 2_147_483_647;
            usize::try_from(seed).unwrap() % below
        };
        let alphabet: Vec<char> = "ab \t\n'\"`$\\!*?[]{}()<>|&;#~=%-+,./:@^_€𝒳\u{1}\u{7f}".chars().collect();
        let words: Vec<String> =
            (0..400).map(|_| (0..random(12)).map(|_| alphabet[random(alphabet.len())]).collect()).collect();
        let quoted: Vec<_> = words.iter().map(|word| shell_quote(word)).collect();
        let line = format!("printf '%s\\0' {}", quoted.join(" "));
        let output = Command::new("/bin/sh").args(["-c", &line]).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.split_terminator('\0').collect::<Vec<_>>(), words);
    }

    #[test]
    fn plain_words_stay_and_the_empty_one_is_a_word() {
        assert_eq!(["a/b-c=1,2", "", "it's"].map(shell_quote), ["a/b-c=1,2", "''", "'it'\\''s'"]);
    }
}
