//! Requests to the control socket of a shim. The code under test and its bounds are in `boxlite_net::control::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_net::control::hostile::control(bytes));
