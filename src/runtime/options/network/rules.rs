//! The lists of rules, which users write as text: parsed, with the place of a mistake. Called by `network.rs`; the grammar is that of
//! `boxlite_spec`.

use boxlite_error::{BoxliteError, BoxliteResult, shorten::shortened};
use boxlite_spec::network::rule::Rule;

use crate::options::bound::{SHOWN, bounded};

/// Most rules of each list.
const MOST_RULES: usize = 1000;

/// # Errors
/// `INVALID_ARGUMENT` for the first text that is no rule, with its place in the list, and for too many.
pub(super) fn rules(option: &'static str, list: &[String]) -> BoxliteResult<Vec<Rule>> {
    bounded(option, list.len(), MOST_RULES)?;
    let parsed = list.iter().enumerate().map(|(at, text)| {
        text.parse::<Rule>().map_err(|why| {
            let why = format!("entry {at}, `{}`: {}", shortened(text, SHOWN), shortened(&why, 2 * SHOWN));
            BoxliteError::invalid_option(option, why).hint(
                "rules are as `api.example.com:443`, `*.example.com`, `10.0.0.0/8:5432/tcp` and `public`",
            )
        })
    });
    parsed.collect()
}
