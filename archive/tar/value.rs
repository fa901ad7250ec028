//! Numbers and times as PAX records have them: decimal text. Called by `pax` and `pax_sparse`.

use super::error::TarError;

/// A number without a sign.
pub(super) fn number(value: &[u8]) -> Result<u64, TarError> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| TarError::corrupt(format!("read tar: PAX number {}", shown(value))))
}

/// A value for an error: the beginning of it.
fn shown(value: &[u8]) -> String {
    format!("\"{}\"", value[..value.len().min(64)].escape_ascii())
}

/// Seconds with a decimal fraction of any length, possibly negative; the nanoseconds count upwards from the second.
pub(super) fn time(value: &[u8]) -> Result<(i64, u32), TarError> {
    let parse = || {
        let text = std::str::from_utf8(value).ok()?.trim();
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let seconds: i64 = whole.parse().ok()?;
        let digits = fraction.get(..fraction.len().min(9))?;
        let nanos: u32 = match digits {
            "" => 0,
            _ if fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("{digits:0<9}").parse().ok()?
            }
            _ => return None,
        };
        if whole.starts_with('-') && nanos > 0 {
            return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanos));
        }
        Some((seconds, nanos))
    };
    parse().ok_or_else(|| TarError::corrupt(format!("read tar: PAX time {}", shown(value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_nanoseconds() {
        for (text, expected) in [
            ("12", (12, 0)),
            ("1.1234567899", (1, 123_456_789)),
            ("12.5", (12, 500_000_000)),
            ("1.0000000019", (1, 1)),
            ("-1.25", (-2, 750_000_000)),
            ("-0.25", (-1, 750_000_000)),
        ] {
            assert_eq!(time(text.as_bytes()).unwrap(), expected, "{text}");
        }
        for bad in ["1.x", "1.é", "", "99999999999999999999"] {
            let refused = time(bad.as_bytes()).unwrap_err().to_string();
            assert!(refused.contains("PAX time"), "{refused}");
        }
    }
}
