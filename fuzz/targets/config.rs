//! Fuzzes the parser of an image's configuration. The code under test and its bounds are in `boxlite_images::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_images::hostile::config(bytes));
