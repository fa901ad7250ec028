//! The agent's last word. A machine that is switched off ends as one whose kernel panics: both reset the processor. So an
//! agent that ends the machine by itself says so on the console, and an end that was neither announced nor asked for is a failure.
//! Where the host asked, it knows, and need not wait for a console that takes sixteen bytes at a time.

/// The end of a console line, written when the root disk is sealed and nothing is left but to switch the machine off.
pub const LAST_WORD: &str = "boxlite-guest: power off";
