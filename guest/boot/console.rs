//! What the agent says when it dies: one line on the console, whose last lines the host shows, then power-off.
//!
//! Called by `main.rs`; calls `power`.

use std::panic;

use crate::{Error, boot::power_off};

/// Prefix of every line that the agent writes on the console.
const NAME: &str = "boxlite-guest";

/// Reports a fatal error and ends the machine.
pub fn die(error: &Error) -> ! {
    eprintln!("{NAME}: {}", error.chain());
    power_off()
}

/// Makes every panic of this process end the machine with its message on the console.
///
/// The zygote inherits the hook, but power-off is refused in its pid namespace, where it only ends the namespace.
pub fn watch_panics() {
    panic::set_hook(Box::new(|info| {
        eprintln!("{NAME}: {info}");
        power_off();
    }));
}
