//! Fuzzes the parser of image references. The code under test and its bounds are in `boxlite_images::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_images::hostile::reference(bytes));
