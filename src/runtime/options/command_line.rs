//! The bounds of a command line and an environment: those of Linux, counted as Linux counts.
//!
//! Called by the other options before anything is sent. The variables that the box and its image set are known to the guest alone,
//! whose kernel refuses the sum with an error that names the same limits.

use boxlite_error::{BoxliteError, BoxliteResult, Term, Text, text};
use boxlite_wire::limits;

/// What each argument and each variable costs besides its bytes: a NUL byte and a pointer.
const EACH: usize = 1 + 8;

fn hint() -> Text {
    text!["pass it through `stdin`, or in a file that ", Term::WriteFile, " makes"]
}

/// Refuses a command line and an environment that Linux does not take.
pub(crate) fn check(command: &str, args: &[String], env: &[(String, String)]) -> BoxliteResult<()> {
    // The kernel copies the file's name once more.
    let mut total = command.len() + 1;
    for (index, word) in std::iter::once(command).chain(args.iter().map(String::as_str)).enumerate() {
        let name = || if index == 0 { "the command".to_owned() } else { format!("argument {}", index - 1) };
        total += counted(word.len(), name)?;
    }
    total += of_environment(env)?;
    within(total, "arguments and environment")
}

/// Refuses an environment that Linux does not take, whatever the command line is.
pub(crate) fn check_environment(env: &[(String, String)]) -> BoxliteResult<()> {
    within(of_environment(env)?, "option `env`")
}

fn of_environment(env: &[(String, String)]) -> BoxliteResult<usize> {
    env.iter().try_fold(0, |total, (key, value)| {
        let name = || format!("variable `{}`", key.get(..key.floor_char_boundary(100)).unwrap_or_default());
        Ok(total + counted(key.len() + 1 + value.len(), name)?)
    })
}

fn counted(length: usize, name: impl Fn() -> String) -> BoxliteResult<usize> {
    if length < limits::ARGUMENT {
        return Ok(length + EACH);
    }
    Err(BoxliteError::invalid(format!(
        "{}: {length} bytes: Linux takes at most {} in one argument or variable (MAX_ARG_STRLEN)",
        name(),
        limits::ARGUMENT - 1
    ))
    .hint(hint()))
}

fn within(total: usize, what: &str) -> BoxliteResult<()> {
    if total <= limits::COMMAND_LINE {
        return Ok(());
    }
    Err(BoxliteError::invalid(format!(
        "{what}: {total} bytes, a NUL byte and a pointer counted for each: Linux takes at most {} in all, a quarter of the \
         stack's limit",
        limits::COMMAND_LINE
    ))
    .hint(hint()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxlite_error::ErrorCode;

    fn refused(args: &[String], env: &[(String, String)]) -> String {
        let error = check("x", args, env).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        error.to_string()
    }

    #[test]
    fn one_word_is_bounded_by_its_own_length() {
        let longest = "x".repeat(limits::ARGUMENT - 1);
        check("x", std::slice::from_ref(&longest), &[]).unwrap();
        assert!(refused(&["a".into(), longest.clone() + "x"], &[]).contains("argument 1: 131072 bytes"));
        let value = |less: usize| ("K".to_owned(), longest[less..].to_owned());
        check("x", &[], &[value(2)]).unwrap();
        assert!(refused(&[], &[value(1)]).contains("variable `K`"));
        check_environment(&[value(2)]).unwrap();
        check_environment(&[value(1)]).unwrap_err();
    }

    #[test]
    fn the_sum_is_counted_as_linux_counts() {
        // The command has 2 and 1 + 9, each of the others 55 + 9 or 3 + 52 + 9.
        let words = (limits::COMMAND_LINE - 12) / 64;
        let args = vec!["x".repeat(55); words];
        check("x", &args, &[]).unwrap();
        let env = ("KE".to_owned(), "x".repeat(52));
        check("x", &args[1..], std::slice::from_ref(&env)).unwrap();
        assert!(refused(&args, &[env]).contains("at most 2097152 in all"));
        assert!(refused(&vec![String::new(); limits::COMMAND_LINE / EACH], &[]).contains("2097152"));
    }
}
