//! The names of environment variables. Called by `box_options` and `exec`.

use boxlite_error::{BoxliteError, BoxliteResult};

/// Refuses (name, value) pairs that can't be variables.
pub(crate) fn check(env: &[(String, String)]) -> BoxliteResult<()> {
    env.iter().try_for_each(|(key, value)| check_variable(key, value))
}

/// Refuses names that no variable can have.
pub(crate) fn check_names(unset: &[String]) -> BoxliteResult<()> {
    unset.iter().try_for_each(|name| check_variable(name, ""))
}

fn check_variable(key: &str, value: &str) -> BoxliteResult<()> {
    if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
        return Err(BoxliteError::invalid_option("env", format!("not a valid variable: {key:?}")));
    }
    Ok(())
}
