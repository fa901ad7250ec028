//! The bounds of a command, which are checked before anything is sent. Called by `litebox/executions/spawn.rs`.

use boxlite_error::{BoxliteError, BoxliteResult};
use boxlite_portal::ExecOptions;
use boxlite_wire::limits;

use crate::options::{bound::require, command_line, variables};

/// Refuses options with which no process can be started.
pub(crate) fn check(options: &ExecOptions) -> BoxliteResult<()> {
    if options.command.is_empty() {
        return Err(BoxliteError::invalid("argument `command`: must not be empty"));
    }
    let words =
        std::iter::once(&options.command).chain(&options.args).chain(&options.cwd).chain(&options.user);
    for word in words {
        if word.contains('\0') {
            return Err(BoxliteError::invalid(format!("command line: contains a NUL byte: {word:?}")));
        }
    }
    for (name, text, most) in [("cwd", &options.cwd, limits::PATH), ("user", &options.user, limits::USER)] {
        let length = text.as_ref().map_or(0, String::len);
        require(length < most, name, || format!("{length} bytes: must be less than {most}"))?;
    }
    variables::check(&options.env, &options.unset)?;
    command_line::check(&options.command, &options.args, &options.env)
}
