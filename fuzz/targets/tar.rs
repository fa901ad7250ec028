//! Fuzzes the reader of tar archives. The code under test and its bounds are in `boxlite_unpack::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_unpack::hostile::tar(bytes));
