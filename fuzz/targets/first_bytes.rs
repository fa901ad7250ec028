//! Fuzzes the reader of a connection's first bytes. The code under test and its bounds are in `boxlite_net::gateway::intercept::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_net::gateway::intercept::hostile::first_bytes(bytes));
