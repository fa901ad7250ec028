//! What a box answers to who dials a published port. The code under test and its bounds are in `boxlite_net::publish::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_net::publish::hostile::dial(bytes));
