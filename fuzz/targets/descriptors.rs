//! Fuzzes the reader of a root disk's first blocks. The code under test and its bounds are in `boxlite_disk::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| boxlite_disk::hostile::descriptors(bytes));
