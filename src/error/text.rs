//! `Text`: a sentence for people in which the names of calls and options are data, so that each face writes its own names for them:
//! what is `LiteBox::start` in Rust has another name elsewhere. Messages and hints of `BoxliteError` and of the doctor are such texts.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize, Serializer};

use crate::shorten;

/// A sentence that names calls and options. It is made by [`text!`](crate::text), or of a string that names none.
///
/// [`Display`](fmt::Display) gives Rust's names; [`worded`](Self::worded) gives those of another language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Text(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Plain(String),
    Term(Term),
}

/// Joins strings and [`Term`]s to a [`Text`]: `text!["raise ", Term::Option("memory_mib"), ", or leave it out"]`.
#[macro_export]
macro_rules! text {
    ($($part:expr),+ $(,)?) => { [$($crate::Text::from($part)),+].into_iter().collect::<$crate::Text>() };
}

/// Declares [`Term`] and the Rust name of each.
macro_rules! terms {
    ($($(#[$doc:meta])* $variant:ident = $words:literal;)+) => {
        /// Calls and values with a different name in each language. A face that is not in Rust has a table of its own names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Term {
            /// An option, by the name of its field in Rust.
            Option(&'static str),
            $($(#[$doc])* $variant,)+
        }

        impl fmt::Display for Term {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Option(name) => write!(f, "`{name}`"),
                    $(Self::$variant => f.write_str($words),)+
                }
            }
        }
    };
}

terms! {
    /// The call that starts a box.
    BoxStart = "`LiteBox::start`";
    /// The call that lists a box's executions.
    BoxExecutions = "`LiteBox::executions`";
    /// The call that runs a command and collects its output.
    BoxExec = "`LiteBox::exec`";
    /// The call that starts a command whose output is read as it comes.
    BoxSpawn = "`LiteBox::spawn`";
    /// The call that runs the script `/script` with a shell.
    BoxExecScript = "`sh /script`";
    /// The call that reads a box's console.
    BoxConsole = "`LiteBox::logs` with `LogSource::Console`";
    /// The call that changes when a box is to end, and the value that means never.
    BoxUpdateEnd = "`LiteBox::update` with `ends_at_ms`; 0 is never";
    /// The call that waits until something in a box listens on a port.
    BoxWaitForPort = "`LiteBox::wait_for_port`";
    /// The call that writes a file of a box.
    WriteFile = "`Files::write`";
    /// The call that copies files of the host into a box.
    CopyIn = "`LiteBox::copy_in`";
    /// The option value that gives an execution no standard input.
    NoStdin = "`stdin: false`";
    /// The call that ends the input of an execution.
    StdinEnd = "`Execution::close_stdin`";
    /// The option value that makes the main process pid 1 of its container.
    MainIsInit = "`main_is_init: true`";
    /// The call that lists the boxes of a home.
    RuntimeList = "`BoxliteRuntime::list`";
    /// The call that opens a home.
    RuntimeOpen = "`BoxliteRuntime::open`";
    /// The call that removes a box that runs or can't be read.
    RuntimeRemoveForce = "`BoxliteRuntime::remove` with `force`";
    /// The call that examines the host.
    Doctor = "`BoxliteRuntime::doctor`";
    /// The program that examines the host.
    DoctorCommand = "`BoxliteRuntime::doctor`";
    /// What was installed, with the shim, the kernel and the initramfs.
    Package = "boxlite";
}

impl Text {
    /// Returns the sentence, with `name(term)` for each term.
    pub fn worded<N: Into<Cow<'static, str>>>(&self, name: impl Fn(Term) -> N) -> String {
        let word = |part: &Part| match part {
            Part::Plain(words) => words.clone().into(),
            Part::Term(term) => name(*term).into(),
        };
        self.0.iter().map(word).collect()
    }

    /// Shortens the long parts, which may come from registries, guests and engines.
    pub(crate) fn shortened(mut self) -> Self {
        for part in &mut self.0 {
            if let Part::Plain(words) = part
                && words.len() > shorten::TEXT
            {
                *words = shorten::shortened(words, shorten::TEXT).into_owned();
            }
        }
        self
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Plain(words) => f.write_str(words),
            Part::Term(term) => term.fmt(f),
        })
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<T: Into<String>> From<T> for Text {
    fn from(words: T) -> Self {
        Self(vec![Part::Plain(words.into())])
    }
}

impl From<Term> for Text {
    fn from(term: Term) -> Self {
        Self(vec![Part::Term(term)])
    }
}

impl From<&Self> for Text {
    fn from(text: &Self) -> Self {
        text.clone()
    }
}

impl FromIterator<Self> for Text {
    fn from_iter<I: IntoIterator<Item = Self>>(texts: I) -> Self {
        Self(texts.into_iter().flat_map(|text| text.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_face_words_the_terms() {
        let text = text!["raise ", Term::Option("memory_mib"), format!(" to {}, then ", 256), Term::BoxStart];
        assert_eq!(text.to_string(), "raise `memory_mib` to 256, then `LiteBox::start`");
        let other = text.worded(|term| if term == Term::BoxStart { "a start" } else { "the memory" });
        assert_eq!(other, "raise the memory to 256, then a start");
    }
}
