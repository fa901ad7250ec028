//! The agent's last word. A machine that is switched off ends as one whose kernel panics: both reset the processor. So the
//! agent says on the console that it is done, and a shim that did not read that calls the end a failure.

/// The end of a console line, written when the root disk is sealed and nothing is left but to switch the machine off.
pub const LAST_WORD: &str = "boxlite-guest: power off";
