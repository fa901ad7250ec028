//! The ways in which an option is refused: its value is not what it must be, it is a number out of bounds, or a list that is too long.
//! Called by the checks of all options.

use std::{fmt::Display, ops::RangeInclusive};

use boxlite_error::{BoxliteError, BoxliteResult, Text};

/// Bytes of a name or a value that an error shows.
pub(crate) const SHOWN: usize = 80;

/// Refuses the value of `option` unless it is `good`; `why` says what it must be, and what it is.
pub(crate) fn require<T: Into<Text>>(
    good: bool,
    option: &'static str,
    why: impl FnOnce() -> T,
) -> BoxliteResult<()> {
    if good { Ok(()) } else { Err(BoxliteError::invalid_option(option, why())) }
}

/// Refuses a number that is out of `bounds`. An option that was not given is within them.
pub(crate) fn within<N: PartialOrd + Display>(
    option: &'static str,
    value: impl Into<Option<N>>,
    bounds: RangeInclusive<N>,
) -> BoxliteResult<()> {
    let Some(value) = value.into() else { return Ok(()) };
    let (least, most) = (bounds.start(), bounds.end());
    require(bounds.contains(&value), option, || format!("must be {least} to {most}: {value}"))
}

/// Refuses a list of more than `most` entries.
pub(crate) fn bounded(option: &'static str, count: usize, most: usize) -> BoxliteResult<()> {
    require(count <= most, option, || format!("{count} entries; {most} at most"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_bounds_is_named_with_them() {
        for good in [Some(1), Some(32), None] {
            within("cpus", good, 1..=32).unwrap();
        }
        assert_eq!(within("cpus", 33, 1..=32).unwrap_err().to_string(), "option `cpus`: must be 1 to 32: 33");
    }
}
