//! The names of environment variables. Called by `box_options` and `exec_check`.

use boxlite_error::{BoxliteError, BoxliteResult};

/// Refuses what can't be a variable.
pub(crate) fn check(env: &[(String, String)]) -> BoxliteResult<()> {
    env.iter().try_for_each(|(key, value)| check_variable(key, value))
}

/// Refuses what can't be a variable's name.
pub(crate) fn check_names(unset: &[String]) -> BoxliteResult<()> {
    unset.iter().try_for_each(|name| check_variable(name, ""))
}

fn check_variable(key: &str, value: &str) -> BoxliteResult<()> {
    if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
        return Err(BoxliteError::invalid_option("env", format!("not a valid variable: {key:?}")));
    }
    Ok(())
}
