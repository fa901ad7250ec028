//! Bytes on the link of a whole gateway. The code under test and its bounds are in `boxlite_net::gateway::hostile_link`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_net::gateway::hostile_link::link(bytes));
