//! Frames from a box with the backend libslirp, one after the other. `boxlite_net::slirp::hostile` gives them to the gate before that library and
//! checks what it admits.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_net::slirp::hostile::frames(bytes));
