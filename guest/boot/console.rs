//! The agent's last line on the console, before it switches the machine off. The host shows the last lines of a machine that
//! failed, and takes a machine that ends without a request and without [`MARKER`] for one that failed.
//!
//! Called by `main.rs`; calls `power`.

use std::{fs::OpenOptions, io::Write as _, panic};

use boxlite_wire::power_off::MARKER;

use crate::{Error, boot::power_off};

/// Prefix of every line that the agent writes on the console.
const NAME: &str = "boxlite-guest";

/// The longest text that the kernel takes at once, in bytes. It is less than `LOG_LINE_MAX` of kernel/printk/printk.c.
const LONGEST: usize = 900;

/// Writes the marker of a power-off by the guest itself, and switches the machine off.
pub fn announce_power_off() -> ! {
    write_line(MARKER);
    power_off()
}

/// Reports a fatal error and switches the machine off.
pub fn fail(error: &Error) -> ! {
    write_line(&format!("{NAME}: {}", error.chain()));
    power_off()
}

/// Makes every panic of this process switch the machine off, with its message on the console. Before this is called, the kernel
/// does the same, since the exit of its init is a kernel panic.
pub fn watch_panics() {
    panic::set_hook(Box::new(|info| {
        write_line(&format!("{NAME}: {info}"));
        power_off();
    }));
}

/// Writes a line as a message of the kernel at its highest level (`<0>`, printk(9)). The kernel has written it when the call
/// returns, while a terminal's driver would still have it in a buffer when the machine is reset.
fn write_line(text: &str) {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kernel = OpenOptions::new().write(true).open("/dev/kmsg");
    let written = kernel.and_then(|mut kernel| kernel.write_all(format!("<0>{}", &text[..end]).as_bytes()));
    if written.is_err() {
        eprintln!("{text}");
    }
}
