//! The names of environment variables. Called by `box_options` and `exec`.

use boxlite_error::BoxliteResult;

use crate::options::bound::require;

/// Refuses variables that can't be set, and names in `unset` that no variable can have.
pub(crate) fn check(env: &[(String, String)], unset: &[String]) -> BoxliteResult<()> {
    let set = env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    set.chain(unset.iter().map(|name| (name.as_str(), ""))).try_for_each(|(name, value)| {
        let good = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
        require(good, "env", || format!("not a valid variable: {name:?}"))
    })
}
