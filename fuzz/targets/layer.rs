//! Fuzzes the conversion of a layer into a root disk. The code under test and its bounds are in `boxlite_disk::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_disk::hostile::layer(bytes));
