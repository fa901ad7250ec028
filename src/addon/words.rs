//! The JavaScript names of the calls and options in a `Text` of the runtime, used for every message and hint; and the parser of
//! options whose values are names.

use std::{borrow::Cow, str::FromStr};

use boxlite_runtime::{BoxliteError, BoxliteResult, Term, Text};

/// Returns `text` with JavaScript's names.
pub(crate) fn worded(text: &Text) -> String {
    text.worded(name)
}

/// Parses `text`, the value of the option `name`.
pub(crate) fn parsed<T: FromStr<Err = String>>(name: &'static str, text: &str) -> BoxliteResult<T> {
    text.parse().map_err(|error| BoxliteError::invalid_option(name, error))
}

fn name(term: Term) -> Cow<'static, str> {
    Cow::Borrowed(match term {
        Term::Option(name) => return Cow::Owned(format!("`{}`", option(name))),
        Term::BoxStart => "`box.start()`",
        Term::BoxExecutions => "`box.executions()`",
        Term::BoxExec => "`box.exec()`",
        Term::BoxSpawn => "box.spawn()",
        Term::BoxExecScript => "`box.exec('sh', ['/script'])`",
        Term::BoxConsole => "`box.logs({ source: 'console' })`",
        Term::BoxUpdateEnd => "`box.update({ endsAt })`; `null` is never",
        Term::BoxWaitForPort => "`box.waitForPort()`",
        Term::WriteFile => "`box.fs.writeFile()`",
        Term::CopyIn => "`box.copyIn()`",
        Term::StdinEnd => "`stdin.end()`",
        Term::NoStdin => "`stdin: 'none'`",
        Term::MainIsInit => "`init: false`",
        Term::RuntimeList => "`runtime.list()`",
        Term::RuntimeOpen => "`Runtime.open`",
        Term::RuntimeRemoveForce => "`runtime.remove(id, { force: true })`",
        Term::Doctor => "`Runtime.doctor()`",
        Term::DoctorCommand => "`npx @boxlite/node doctor`",
        Term::Package => "`@boxlite/node`",
    })
}

/// The name of the option that fills the field `name`.
fn option(name: &str) -> String {
    let other = match name {
        "disk_size_mib" => "diskSizeGb",
        "ends_at_ms" => "endsAt",
        "health" => "healthCheck",
        "main_is_init" => "init",
        "cap_add" => "capabilities.add",
        "cap_drop" => "capabilities.drop",
        _ => return camel_case(name),
    };
    other.to_owned()
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut all, word| {
        let mut letters = word.chars();
        all.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        all + letters.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_the_names_of_javascript() {
        let worded = |name| super::name(Term::Option(name));
        assert_eq!(worded("memory_mib"), "`memoryMib`");
        assert_eq!(worded("max_lifetime_ms"), "`maxLifetimeMs`");
        assert_eq!(worded("disk_size_mib"), "`diskSizeGb`");
        assert_eq!(worded("env"), "`env`");
    }
}
