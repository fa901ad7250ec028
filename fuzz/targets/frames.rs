//! Frames from the box, one after the other. `boxlite_net::gateway::hostile` gives them to the TCP side of a gateway and checks what it
//! sends.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_net::gateway::hostile::frames(bytes));
