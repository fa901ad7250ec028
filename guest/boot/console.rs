//! What the agent says when it ends: one line on the console, then power-off. The host shows the last lines of a machine
//! that died, and takes one that ends unasked and without [`MARKER`] for dead.
//!
//! Called by `main.rs`; calls `power`.

use std::{fs::OpenOptions, io::Write as _, panic};

use boxlite_wire::power_off::MARKER;

use crate::{Error, boot::power_off};

/// Prefix of every line that the agent writes on the console.
const NAME: &str = "boxlite-guest";

/// The longest text that the kernel takes at once, less than `LOG_LINE_MAX` of kernel/printk/printk.c, in bytes.
const LONGEST: usize = 900;

/// Announces that the machine ends of its own accord, and switches it off.
pub fn announce_power_off() -> ! {
    say(MARKER);
    power_off()
}

/// Reports a fatal error and ends the machine.
pub fn die(error: &Error) -> ! {
    say(&format!("{NAME}: {}", error.chain()));
    power_off()
}

/// Makes every panic of this process end the machine with its message on the console. Before this is called, the kernel
/// does so, to which the end of its init is a panic too.
pub fn watch_panics() {
    panic::set_hook(Box::new(|info| {
        say(&format!("{NAME}: {info}"));
        power_off();
    }));
}

/// As a message of the kernel at its highest level (`<0>`, printk(9)): it is out when the call returns, and no other line comes
/// between. A terminal's driver would still hold it when the machine is reset.
fn say(text: &str) {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kernel = OpenOptions::new().write(true).open("/dev/kmsg");
    let said = kernel.and_then(|mut kernel| kernel.write_all(format!("<0>{}", &text[..end]).as_bytes()));
    if said.is_err() {
        eprintln!("{text}");
    }
}
