//! Why a port of a box can't be published on the host, with its remedy. Said by the runtime before a start (`free_ports`), by a shim that
//! could not start (`shim/outcome.rs`) and by one that runs (`litebox/network/control.rs`).

use boxlite_error::{BoxliteError, ErrorCode, Term, Text, text};

/// Somebody else listens on the address.
pub(crate) fn in_use(message: impl Into<Text>) -> BoxliteError {
    BoxliteError::new(ErrorCode::PortInUse, message).hint(text![
        "choose another ",
        Term::Option("host"),
        ", or leave it out for a free one"
    ])
}

/// The host has no such address, or this user may not listen on the port.
pub(crate) fn denied(message: impl Into<Text>) -> BoxliteError {
    BoxliteError::new(ErrorCode::PortDenied, message).hint(text![
        "choose a ",
        Term::Option("host"),
        " of 1024 or more, and an address of this host as ",
        Term::Option("bind")
    ])
}
