//! Names of hosts in options: those that the grammar of rules has, without a wildcard. Called by `dns` and `proxy`.

use boxlite_error::{BoxliteError, BoxliteResult, shorten::shortened};
use boxlite_spec::network::rule::{Rule, Target};

use crate::options::bound::SHOWN;

/// A name without a wildcard, in lower case.
///
/// # Errors
/// `INVALID_ARGUMENT` with the text.
pub(super) fn host_name(option: &'static str, text: &str) -> BoxliteResult<String> {
    let rule = text.parse::<Rule>().ok().filter(|rule| rule.ports.is_none() && rule.protocol.is_none());
    let name = rule.and_then(|rule| match rule.target {
        Target::Name(name) => Some(name),
        Target::Group(group) => Some(group.as_str().to_owned()),
        _ => None,
    });
    name.ok_or_else(|| {
        let why = format!("expected a name such as `db.internal`: `{}`", shortened(text, SHOWN));
        BoxliteError::invalid_option(option, why)
    })
}
